@@ backslash escapes
«SELECT 'a\';b', "c\";d", 'e\\'»; «SELECT 'it''s; fine', "say ""hi;"""»; «SELECT 2»
@@ comments of three kinds
# a; comment
«SELECT 1» -- another;
; /* and; one */ «SELECT 2» # end;
@@ two dashes without a blank are no comment
«SELECT 5--1»; «SELECT 2»--
; «SELECT 3»
@@ back-ticks
«SELECT `a;``b` FROM `t;`»; «SELECT 2»
@@ comments that are code
«/*!40101 SET NAMES utf8; */»;
«/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`%`*/ /*!50003 TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.x = 1; */»;
«SELECT /*! STRAIGHT_JOIN */ 1»;
@@ a delimiter
DELIMITER //
«CREATE PROCEDURE dorepeat(p1 INT)
BEGIN
  SET @x = 0;
  REPEAT SET @x = @x + 1; UNTIL @x > p1 END REPEAT;
END»//
«CALL dorepeat(1000)»//
delimiter ;
«SELECT @x»;
@@ a delimiter of dollars, right behind a word
DELIMITER $$
«CREATE FUNCTION hello (s CHAR(20)) RETURNS CHAR(50) DETERMINISTIC
BEGIN
  RETURN CONCAT('Hello, $$', s, '!'); -- $$
END»$$
«SELECT 1; SELECT 2»$$
DELIMITER ;
«SELECT 3»;
@@ a delimiter of two semicolons
DELIMITER ;;
«CREATE TRIGGER ins_sum BEFORE INSERT ON account FOR EACH ROW SET @sum = @sum + NEW.amount»;;
DELIMITER ;
«SELECT 1»;
@@ no delimiter: bodies are followed
«CREATE DEFINER = 'admin'@'localhost' PROCEDURE p(IN n INT)
SQL SECURITY INVOKER
main: BEGIN
  DECLARE done INT DEFAULT FALSE;
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = TRUE;
  read_loop: LOOP
    IF done THEN LEAVE read_loop; END IF;
    CASE n WHEN 1 THEN SET n = IF(n > 0, 1, 2); ELSE BEGIN END; END CASE;
    WHILE n < 10 DO SET n = n + REPEAT('1', 1); END WHILE;
  END LOOP read_loop;
END main»;
«SELECT 1»;
@@ a trigger whose body is an IF
«CREATE TRIGGER upd_check BEFORE UPDATE ON account FOR EACH ROW
IF NEW.amount < 0 THEN SET NEW.amount = 0; ELSEIF NEW.amount > 100 THEN SET NEW.amount = 100; END IF»;
«SELECT 1»;
@@ a procedure whose body is a CASE
«CREATE PROCEDURE q(v INT) CASE v WHEN 2 THEN SELECT v; WHEN 3 THEN SELECT 0; END CASE»; «SELECT 1»
@@ an event
«CREATE EVENT e ON SCHEDULE EVERY 1 HOUR DO BEGIN DELETE FROM s; INSERT INTO l VALUES (NOW()); END»; «SELECT 1»
@@ IF EXISTS is no body
«DROP PROCEDURE IF EXISTS p»; «CREATE PROCEDURE IF NOT EXISTS p() SELECT IF(1, 2, 3)»; «SELECT 1»
@@ a function without BEGIN
«CREATE FUNCTION f(a INT) RETURNS INT DETERMINISTIC RETURN IF(a > 1, 1, CASE a WHEN 0 THEN 5 ELSE 6 END)»;
«SELECT f(1)»;
@@ transactions
«START TRANSACTION»; «BEGIN»; «UPDATE t SET a = 1»; «COMMIT»; «BEGIN WORK»; «ROLLBACK»;
@@ MariaDB's block
«BEGIN NOT ATOMIC SELECT 1; SELECT 2; END»; «SELECT 3»
@@ user variables that look like keywords
«SET @begin = 1, @`end;` = 2, @'case;' = 3»; «SELECT @begin»
@@ a load with terminators
«LOAD DATA INFILE 'a;b.csv' INTO TABLE t FIELDS TERMINATED BY ';' ENCLOSED BY '"' ESCAPED BY '\\'»; «SELECT 1»
@@ only a delimiter
DELIMITER //
//
@@ columns named begin and end in a body
«CREATE PROCEDURE p() BEGIN
  INSERT INTO spans (name, begin, end) VALUES ('a;', 1, 2);
  UPDATE spans SET begin = 1, end = 2 WHERE begin < 3 AND end IS NULL;
  IF 1 THEN DELETE FROM spans WHERE end = 4; END IF;
  BEGIN SELECT CASE WHEN 1 THEN IF(1, 2, 3) ELSE 4 END AS end; END;
END»;
«SELECT 1»;
