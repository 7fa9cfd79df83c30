@@ batches
«SELECT 1;»
«SELECT 2»
GO
«SELECT 3»
go 5
«SELECT 4»
@@ GO within a line is a name
«SELECT 1 AS go;» «SELECT go FROM t»
GO
@@ brackets and strings
«SELECT [a;b]]c], 'd;''e', "f;g" FROM [t;];» «SELECT N'x;' FROM #tmp;» «DROP TABLE ##g»
@@ variables bind the batch
«SELECT 1;» «DECLARE @x int = 1; SELECT @x; SET @x = 2;
SELECT @x;»
GO
«SELECT 2;» «SELECT 3»
@@ control flow binds the batch
«IF EXISTS (SELECT 1 FROM t) SELECT 1; ELSE SELECT 2; SELECT 3;»
GO
«BEGIN TRY SELECT 1/0; END TRY BEGIN CATCH SELECT 2; END CATCH; SELECT 3»
GO
«SELECT 1;» «WHILE 1 = 1 BREAK; SELECT 2»
@@ a procedure is alone in its batch
«CREATE PROCEDURE dbo.p @a int AS SELECT @a; SELECT 2;»
GO
«EXEC dbo.p 1;» «SELECT 1»
@@ transactions
«BEGIN TRAN;» «UPDATE t SET a = 1;» «COMMIT;» «BEGIN TRANSACTION;» «ROLLBACK»
@@ DROP IF EXISTS binds nothing
«DROP TABLE IF EXISTS t;» «SELECT 1;»
@@ nested comments
/* a /* b; */ c; */ «SELECT 1;» -- GO
«SELECT 2»
@@ GO in a string or a comment
«SELECT '
GO
' ;» /*
GO
*/ «SELECT 2»
