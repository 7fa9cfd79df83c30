@@ two statements
«SELECT 1»;
«SELECT 2»;
@@ the last one needs no semicolon
«SELECT 1» ; «SELECT 2»
@@ nothing but comments
-- nothing; here
/* nor; here */ ;; ;
@@ semicolons in strings, names and comments
«SELECT 'a;b', "c;d", 'it''s;', "x"";" /* ; */ -- ;
FROM t»;«SELECT 2»
@@ a backslash is no escape
«SELECT 'a\'»; «SELECT 'b'»
@@ comments do not nest
/* a /* b */ «SELECT 1»; /* c */
@@ a rule in parentheses
«CREATE RULE r AS ON UPDATE TO t DO ALSO (INSERT INTO l VALUES (1); DELETE FROM m)»; «SELECT 1»
@@ a parenthesis that is never closed
«SELECT (1; SELECT 2;»
@@ a procedure with all kinds of bodies
«CREATE PROCEDURE p (IN n INTEGER)
BEGIN ATOMIC
  IF n > 0 THEN
    WHILE n > 0 DO
      SET n = n - 1;
    END WHILE;
  ELSE
    SELECT CASE WHEN n = 0 THEN 'zero; really' ELSE 'less' END;
  END IF;
END»;
«SELECT 1»
@@ transactions are no bodies
«BEGIN»; «INSERT INTO t VALUES (1)»; «COMMIT»;
«BEGIN TRANSACTION»; «DELETE FROM t»; «END»;
@@ a block by itself
«BEGIN DELETE FROM a; DELETE FROM b; END»; «SELECT 1»
@@ a dollar quote of another dialect
«CREATE FUNCTION f() RETURNS int AS $$ BEGIN; END; $$»; «SELECT 1»
@@ a string that is never closed
«SELECT 1»; «SELECT 'abc; SELECT 2;
SELECT 3;»
@@ CR LF lines
«SELECT 1»;
«SELECT
2»;
@@ words of other scripts
«SELECT größe, 名前 FROM straße WHERE ö = 'ß;'»; «SELECT 2»
@@ a hint belongs to its statement
/* a comment */ «/*+ parallel(t, 4) */ SELECT 1 FROM t» -- after
; «SELECT /*+ x; y */ 2»
@@ a case in a function without BEGIN
«CREATE FUNCTION f(x INT) RETURNS INT RETURN CASE x WHEN 1 THEN 2 ELSE 3 END»; «SELECT 1»
@@ a table called like a routine
«CREATE TABLE "trigger" (a INT, "begin" INT)»; «SELECT 1»
