// npm's mysql, mysql2 or mariadb, the last argument.
const assert = require('assert')
const fs = require('fs')
const [host, port, user, password, ca, kind] = process.argv.slice(2)
const driver = require(kind)
const options = { host, port: Number(port), user, password, database: 'demo', charset: 'utf8mb4', multipleStatements: true }
if (ca) options.ssl = { ca: fs.readFileSync(ca) }
const db = driver.createConnection(options)
const ask = (sql, values) => new Promise((resolve, reject) =>
  db.query(sql, values, (error, rows) => error ? reject(error) : resolve(rows)))
const prepared = (sql, values) => !db.execute ? ask(sql, values)
  : new Promise((resolve, reject) =>
    db.execute(sql, values, (error, rows) => error ? reject(error) : resolve(rows)))

async function main () {
  const who = await ask('SELECT CURRENT_USER() AS who')
  assert.strictEqual(who[0].who, (process.env.SALLYPORT_ACCOUNT || user) + '@%')
  await ask('CREATE TEMPORARY TABLE t (id INT PRIMARY KEY, text VARCHAR(100) CHARACTER SET utf8mb4, data LONGBLOB) ENGINE = InnoDB')
  const blob = Buffer.alloc(1 << 20, Buffer.from([...Array(256).keys()]))
  await prepared('INSERT INTO t VALUES (?, ?, ?)', [1, 'zażółć 🦊', blob])
  await ask('START TRANSACTION')
  await ask('INSERT INTO t VALUES (2, NULL, NULL)')
  await ask('ROLLBACK')
  assert.strictEqual((await ask('SELECT COUNT(*) AS n FROM t'))[0].n, 1)
  const row = (await prepared('SELECT text, data FROM t WHERE id = ?', [1]))[0]
  assert.strictEqual(row.text, 'zażółć 🦊')
  assert(row.data.equals(blob))
  await ask('CREATE TEMPORARY TABLE l (a INT, b TEXT)')
  const load = "LOAD DATA LOCAL INFILE '" + process.env.SALLYPORT_FILE + "' INTO TABLE l"
  await ask(kind === 'mysql' ? load : { sql: load, infileStreamFactory: (path) => fs.createReadStream(path) })
  assert.strictEqual((await ask('SELECT COUNT(*) AS n FROM l'))[0].n, 1000)
  assert.strictEqual((await ask('SET @a = 1; SELECT @a + 1 AS n; DO 3'))[1][0].n, 2)
  await assert.rejects(ask('SELECT * FROM no_such_table'), { errno: 1146 })
  db.end()
  console.log('ok')
}
main().catch((error) => { console.error(error); process.exit(1) })
