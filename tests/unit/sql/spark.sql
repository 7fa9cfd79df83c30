@@ two kinds of strings with backslashes
«SELECT 'a\';b', "c\";d", 'it\\'»; «SELECT "e"»
@@ raw strings
«SELECT r'a\', R"b;\"»; «SELECT 2»
@@ a comment that goes on
-- first \
second; still
«SELECT 1»; «SELECT 2»
@@ nested comments and hints
/* a /* b; */ c; */ «SELECT /*+ BROADCAST(t;) */ * FROM t»; «SELECT 2»
@@ back-ticks
«SELECT `a;b``c` FROM db.`t;`»; «SELECT 2»
@@ setting variables
«SET spark.sql.shuffle.partitions=10»; «USE db»; «SELECT 1»
@@ a multi-insert of Hive
«FROM src
INSERT OVERWRITE TABLE dest1 SELECT src.* WHERE src.key < 100
INSERT OVERWRITE LOCAL DIRECTORY '/tmp/dest;3.out' SELECT src.value WHERE src.key >= 200»;
«SELECT 1»;
@@ transform with delimiters
«SELECT TRANSFORM(a) ROW FORMAT DELIMITED FIELDS TERMINATED BY '\;' USING 'cat;' AS (b) FROM t»; «SELECT 2»
@@ a scripting block
«BEGIN
  DECLARE x INT DEFAULT 1;
  IF x > 0 THEN SELECT 1; ELSE SELECT 2; END IF;
  FOR r AS SELECT * FROM t DO INSERT INTO u VALUES (r.a); END FOR;
END»;
«SELECT 3»;
@@ a function
«CREATE TEMPORARY FUNCTION f AS 'com.example.F' USING JAR '/a;b.jar'»; «SELECT f(1)»
@@ partitions
«ALTER TABLE t ADD PARTITION (dt='2024-01-01;') LOCATION 's3://b/k;'»; «MSCK REPAIR TABLE t»
@@ lateral views
«SELECT k, v FROM t LATERAL VIEW explode(split(s, "\\;")) x AS v»; «SELECT 2»
