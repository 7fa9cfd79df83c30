@@ a trigger
«CREATE TRIGGER after_orders AFTER UPDATE OF price ON orders
BEGIN
  UPDATE totals SET sum = sum + new.price - old.price WHERE id = new.customer;
  INSERT INTO log VALUES ('price; changed', datetime('now'));
END»;
«SELECT count(*) FROM totals»;
@@ a temporary trigger with a condition that has CASE
«CREATE TEMP TRIGGER IF NOT EXISTS t1 BEFORE DELETE ON a FOR EACH ROW
WHEN CASE old.kind WHEN 'x' THEN 1 ELSE 0 END
BEGIN
  SELECT CASE WHEN old.locked THEN RAISE(ABORT, 'locked; sorry') END;
  DELETE FROM b WHERE a_id = old.id;
END»;
«DELETE FROM a»;
@@ an explained trigger
«EXPLAIN CREATE TRIGGER t INSERT ON a BEGIN SELECT 1; SELECT 2; END»; «SELECT 3»;
@@ names in brackets, back-ticks and double quotes
«SELECT [a;b], `c;d`, "e;f" FROM [my;table]»; «SELECT 2»
@@ a bracket does not double
«SELECT [a]]»;«SELECT 1»
@@ transactions
«BEGIN IMMEDIATE»;
«INSERT INTO t VALUES (1), (2)»;
«END TRANSACTION»;
«SELECT 1»;
@@ parameters that look like keywords
«SELECT :begin, @case, $end FROM t»; «SELECT 2»
@@ an upsert
«INSERT INTO vocabulary(word) VALUES ('jovial;') ON CONFLICT(word) DO UPDATE SET count = count + 1»;
«SELECT 1»;
@@ a pragma, then a blob
«PRAGMA table_info('a;b')»;«INSERT INTO b VALUES (x'3b3b')»
@@ window functions and JSON arrows
«SELECT a ->> '$.x;y', row_number() OVER (PARTITION BY b ORDER BY c) FROM t»;
«SELECT 2»;
@@ comments at the ends
-- first; comment
«SELECT 1» -- second;
; /* third; */ «SELECT 2» /* never closed ;
@@ a trigger that is never ended
«CREATE TRIGGER t INSERT ON a BEGIN SELECT 1; SELECT 2;»
@@ a generated column and a check
«CREATE TABLE t (a INT CHECK (a <> ';'), b TEXT AS (a || ';') STORED)»; «SELECT 1»
@@ columns named begin and end in a trigger
«CREATE TRIGGER t AFTER INSERT ON a BEGIN INSERT INTO log (begin, end) VALUES (1, 2); UPDATE b SET end = 1, begin = 2; END»;
«SELECT 1»;
«CREATE TRIGGER t AFTER UPDATE OF begin, end ON a BEGIN SELECT 1 AS end; SELECT * FROM (SELECT end FROM b); END»; «SELECT 2»
@@ a trigger and a table named begin
«CREATE TRIGGER begin AFTER INSERT ON begin BEGIN SELECT CASE WHEN 1 THEN 2 END; END»; «SELECT 1»
@@ byte order marks before statements
﻿«CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END»;
﻿ -- a comment
﻿«SELECT a﻿»; «SELECT "﻿"»
