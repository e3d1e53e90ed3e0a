CREATE TEMPORARY TABLE t (id INT PRIMARY KEY, text VARCHAR(100) CHARACTER SET utf8mb4, data LONGBLOB) ENGINE = InnoDB;
SET NAMES utf8mb4;
PREPARE s FROM 'INSERT INTO t VALUES (?, ?, REPEAT(?, 1048576))';
SET @id = 1, @text = 'zażółć 🦊', @byte = 'x';
EXECUTE s USING @id, @text, @byte;
START TRANSACTION;
INSERT INTO t VALUES (2, NULL, NULL);
ROLLBACK;
SELECT IF(COUNT(*) = 1 AND MAX(text) = 'zażółć 🦊' AND MAX(LENGTH(data)) = 1048576, 'ok', 'not so') AS result FROM t;
