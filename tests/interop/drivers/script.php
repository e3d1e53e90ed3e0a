<?php // mysqlnd, by mysqli.
[, $host, $port, $user, $password, $ca] = $argv;
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
function must($true) { if (!$true) { throw new Exception('not so'); } }
$db = mysqli_init();
$db->options(MYSQLI_OPT_LOCAL_INFILE, true);
if ($ca) { $db->ssl_set(null, null, $ca, null, null); }
$db->real_connect($host, $user, $password, 'demo', (int)$port, null, $ca ? MYSQLI_CLIENT_SSL : 0);
$db->set_charset('utf8mb4');
$account = getenv('SALLYPORT_ACCOUNT') ?: $user;
must($db->query('SELECT CURRENT_USER()')->fetch_row()[0] === "$account@%");
$db->query('CREATE TEMPORARY TABLE t (id INT PRIMARY KEY, text VARCHAR(100) CHARACTER SET utf8mb4, data LONGBLOB) ENGINE = InnoDB');
$blob = str_repeat(implode(array_map('chr', range(0, 255))), 4096);
$id = 1; $text = 'zażółć 🦊';
$s = $db->prepare('INSERT INTO t VALUES (?, ?, ?)');
$s->bind_param('iss', $id, $text, $blob);
$s->execute();
$db->begin_transaction();
$db->query('INSERT INTO t VALUES (2, NULL, NULL)');
$db->rollback();
must((int)$db->query('SELECT COUNT(*) FROM t')->fetch_row()[0] === 1);
$s = $db->prepare('SELECT text, data FROM t WHERE id = ?');
$s->bind_param('i', $id);
$s->execute();
must($s->get_result()->fetch_row() === [$text, $blob]);
$db->query('CREATE TEMPORARY TABLE l (a INT, b TEXT)');
$db->query("LOAD DATA LOCAL INFILE '" . getenv('SALLYPORT_FILE') . "' INTO TABLE l");
must((int)$db->query('SELECT COUNT(*) FROM l')->fetch_row()[0] === 1000);
$s = $db->prepare('SELECT a FROM l');
$s->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY);
$s->execute();
$s->bind_result($a);
for ($n = 0; $s->fetch(); $n++) { }
must($n === 1000);
$s->close();
$db->multi_query('SET @a = 1; SELECT @a + 1; DO 3');
while ($db->more_results()) { $db->next_result(); if ($r = $db->store_result()) { $r->free(); } }
try {
    $db->query('SELECT * FROM no_such_table');
    must(false);
} catch (mysqli_sql_exception $e) {
    must($e->getCode() === 1146);
}
// Who came by a code may not.
if ($account === $user) { must($db->change_user($user, $password, 'demo')); }
must($db->query('SELECT 1 + 1')->fetch_row()[0] == 2);
echo "ok\n";
