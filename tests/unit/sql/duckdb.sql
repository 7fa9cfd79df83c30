@@ reading files
«SELECT * FROM read_csv('data;1.csv', delim = ';', header = true)»; «SELECT 2»
@@ lists, structs and lambdas
«SELECT [1, 2, 3][1:2], {'a;': 1}, list_transform([1], x -> x + 1)»; «SELECT 2»
@@ dollar quotes and escapes
«SELECT $$a; 'b'$$, $t$c;$t$, E'd\';', 'e\'»; «SELECT 2»
@@ FROM first
«FROM tbl»; «FROM tbl SELECT a, b WHERE c = ';'»
@@ a macro
«CREATE OR REPLACE MACRO add(a, b := 5) AS a + b»; «SELECT add(1)»
@@ nested comments
/* a /* b; */ c; */ «SELECT 1»
@@ COPY
«COPY (SELECT * FROM t) TO 'out;.parquet' (FORMAT parquet)»; «INSTALL httpfs»; «LOAD httpfs»;
@@ pivots, samples, and names
«PIVOT cities ON year USING sum(population)»; «SELECT * FROM "a;b" USING SAMPLE 10%»;
@@ transactions
«BEGIN TRANSACTION»; «CREATE TABLE t AS FROM range(10)»; «COMMIT»;
@@ a type and a comment on it
«CREATE TYPE mood AS ENUM ('sad;', 'ok')»; «COMMENT ON TABLE t IS 'a; b'»;
