@@ nested comments
/* outer /* inner; */ still; */ «SELECT 1»; «SELECT 2»
@@ dollar quotes
«CREATE FUNCTION inc(i integer) RETURNS integer AS $$
BEGIN
  RETURN i + 1; -- 'quote
END;
$$ LANGUAGE plpgsql»;
«SELECT inc(1)»;
@@ dollar quotes in dollar quotes
«CREATE FUNCTION f() RETURNS text AS $body$
  SELECT $inner$a; $$ b; $inner$;
$body$ LANGUAGE sql»; «SELECT f()»
@@ DO
«DO $do$ BEGIN PERFORM 1; PERFORM 2; END $do$»; «SELECT 1»
@@ a body in standard SQL
«CREATE OR REPLACE PROCEDURE move(a int, b int)
LANGUAGE SQL
BEGIN ATOMIC
  UPDATE account SET sum = sum - 1 WHERE id = a;
  UPDATE account SET sum = sum + CASE WHEN b > 0 THEN 1 ELSE 2 END WHERE id = b;
END»;
«CALL move(1, 2)»;
@@ escapes only where E says so
«SELECT 'a\'»; «SELECT E'b\';c'»; «SELECT e'd'';\\'»; «SELECT 2»
@@ other prefixes have no escapes
«SELECT B'01', X'1F;', U&'d\0061t\+000061;' , N'x\'»; «SELECT 2»
@@ casts, arrays and operators with #
«SELECT '{1,2}'::int[] # 1, a[1:2], '{"a;b":1}'::jsonb #>> '{a;b}' FROM t»; «SELECT 2»
@@ dollars that open nothing
«SELECT $1, a$b$c FROM t WHERE x = $2»; «SELECT 2»
@@ a tag may not begin with a digit
«PREPARE p AS SELECT $1$2»; «SELECT 1»
@@ a rule with several statements
«CREATE RULE r AS ON DELETE TO v DO INSTEAD (DELETE FROM a; DELETE FROM b)»; «SELECT 1»
@@ transactions
«BEGIN ISOLATION LEVEL SERIALIZABLE»; «SELECT 1»; «END»; «SELECT 2»
@@ a data-modifying CTE
«WITH moved AS (DELETE FROM products WHERE "date" < '2010-11-01;' RETURNING *)
INSERT INTO products_log SELECT * FROM moved»; «SELECT 1»
@@ a trigger has no body here
«CREATE TRIGGER check_update BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION check_account()»;
«SELECT 1»;
@@ strings that go on in the next line
«SELECT 'foo;'
'bar;'»; «SELECT 2»
@@ a dollar quote that is never closed
«SELECT 1»; «SELECT $x$ a; b; $y$ c»
@@ names with doubled quotes
«SELECT "a"";b" FROM "t;"»; «SELECT 2»
@@ only comments that nest
/* a /* b */ c; */ -- d;
@@ an operator class
«CREATE OPERATOR CLASS c FOR TYPE t USING btree AS OPERATOR 1 <, FUNCTION 1 cmp(t, t)»; «SELECT 1»
@@ a carriage return ends a comment
-- a;
«SELECT 1»; «SELECT 2»
@@ a trigger has no body
«CREATE TRIGGER t AFTER INSERT ON x EXECUTE PROCEDURE begin()»; «SELECT 1»; «END»;
«CREATE EVENT TRIGGER begin ON ddl_command_start EXECUTE FUNCTION f()»; «BEGIN»; «END»
@@ columns named begin and end in a body
«CREATE FUNCTION f() RETURNS int BEGIN ATOMIC UPDATE t SET begin = 1; SELECT 2 AS end; SELECT (SELECT 3 AS end); END»; «SELECT 1»
