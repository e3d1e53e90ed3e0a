// npm's mysql, mysql2 or mariadb, the last argument.
const crypto = require('crypto')
const assert = require('assert')
const fs = require('fs')
const [host, port, user, password, ca, kind] = process.argv.slice(2)
const driver = require(kind)
const options = { host, port: Number(port), user, password, database: 'demo', charset: 'utf8mb4' }
if (ca) options.ssl = { ca: fs.readFileSync(ca) }
const db = driver.createConnection(options)
const ask = (sql, values) => new Promise((resolve, reject) =>
  db.query(sql, values, (error, rows) => error ? reject(error) : resolve(rows)))
const prepared = (sql, values) => !db.execute ? ask(sql, values)
  : new Promise((resolve, reject) =>
    db.execute(sql, values, (error, rows) => error ? reject(error) : resolve(rows)))

async function main () {
  const who = await ask('SELECT CURRENT_USER() AS who')
  assert.strictEqual(who[0].who, user + '@%')
  await ask('CREATE TEMPORARY TABLE t (id INT PRIMARY KEY, text VARCHAR(100) CHARACTER SET utf8mb4, data LONGBLOB) ENGINE = InnoDB')
  const blob = crypto.randomBytes(1 << 20)
  await prepared('INSERT INTO t VALUES (?, ?, ?)', [1, 'zażółć 🦊', blob])
  await ask('START TRANSACTION')
  await ask('INSERT INTO t VALUES (2, NULL, NULL)')
  await ask('ROLLBACK')
  assert.strictEqual((await ask('SELECT COUNT(*) AS n FROM t'))[0].n, 1)
  const row = (await prepared('SELECT text, data FROM t WHERE id = ?', [1]))[0]
  assert.strictEqual(row.text, 'zażółć 🦊')
  assert(row.data.equals(blob))
  await assert.rejects(ask('SELECT * FROM no_such_table'), { errno: 1146 })
  db.end()
  console.log('ok')
}
main().catch((error) => { console.error(error); process.exit(1) })
