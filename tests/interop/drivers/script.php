<?php // mysqlnd, by mysqli.
[, $host, $port, $user, $password, $ca] = $argv;
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
function must($true) { if (!$true) { throw new Exception('not so'); } }
$db = mysqli_init();
if ($ca) { $db->ssl_set(null, null, $ca, null, null); }
$db->real_connect($host, $user, $password, 'demo', (int)$port, null, $ca ? MYSQLI_CLIENT_SSL : 0);
$db->set_charset('utf8mb4');
must($db->query('SELECT CURRENT_USER()')->fetch_row()[0] === "$user@%");
$db->query('CREATE TEMPORARY TABLE t (id INT PRIMARY KEY, text VARCHAR(100) CHARACTER SET utf8mb4, data LONGBLOB) ENGINE = InnoDB');
$blob = random_bytes(1 << 20);
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
try {
    $db->query('SELECT * FROM no_such_table');
    must(false);
} catch (mysqli_sql_exception $e) {
    must($e->getCode() === 1146);
}
must($db->change_user($user, $password, 'demo'));
must($db->query('SELECT 1 + 1')->fetch_row()[0] == 2);
echo "ok\n";
