# mysql2, which is libmariadb.
require 'mysql2'
require 'securerandom'
host, port, user, password, ca = ARGV
options = { host: host, port: port.to_i, username: user, password: password,
            database: 'demo', encoding: 'utf8mb4' }
options.merge!(sslca: ca, sslverify: true) unless ca.empty?
db = Mysql2::Client.new(options)
def must(true_) = true_ || raise('not so')
must(db.query('SELECT CURRENT_USER() AS who').first['who'] == "#{user}@%")
db.query('CREATE TEMPORARY TABLE t (id INT PRIMARY KEY, text VARCHAR(100) CHARACTER SET utf8mb4, ' \
         'data LONGBLOB) ENGINE = InnoDB')
blob = SecureRandom.bytes(1 << 20)
db.prepare('INSERT INTO t VALUES (?, ?, ?)').execute(1, 'zażółć 🦊', blob)
db.query('START TRANSACTION')
db.query('INSERT INTO t VALUES (2, NULL, NULL)')
db.query('ROLLBACK')
must(db.query('SELECT COUNT(*) AS n FROM t').first['n'] == 1)
row = db.prepare('SELECT text, data FROM t WHERE id = ?').execute(1).first
must(row['text'] == 'zażółć 🦊' && row['data'].b == blob)
begin
  db.query('SELECT * FROM no_such_table')
  raise 'no error'
rescue Mysql2::Error => e
  must(e.error_number == 1146)
end
puts 'ok'
