# mysql2, which is libmariadb.
require 'mysql2'
host, port, user, password, ca = ARGV
options = { host: host, port: port.to_i, username: user, password: password,
            database: 'demo', encoding: 'utf8mb4',
            local_infile: true, flags: Mysql2::Client::MULTI_STATEMENTS }
options.merge!(sslca: ca, sslverify: true) unless ca.empty?
db = Mysql2::Client.new(options)
def must(true_) = true_ || raise('not so')
must(db.query('SELECT CURRENT_USER() AS who').first['who'] == "#{ENV.fetch('SALLYPORT_ACCOUNT', user)}@%")
db.query('CREATE TEMPORARY TABLE t (id INT PRIMARY KEY, text VARCHAR(100) CHARACTER SET utf8mb4, ' \
         'data LONGBLOB) ENGINE = InnoDB')
blob = (0..255).to_a.pack('C*') * 4096
db.prepare('INSERT INTO t VALUES (?, ?, ?)').execute(1, 'zażółć 🦊', blob)
db.query('START TRANSACTION')
db.query('INSERT INTO t VALUES (2, NULL, NULL)')
db.query('ROLLBACK')
must(db.query('SELECT COUNT(*) AS n FROM t').first['n'] == 1)
row = db.prepare('SELECT text, data FROM t WHERE id = ?').execute(1).first
must(row['text'] == 'zażółć 🦊' && row['data'].b == blob)
db.query('CREATE TEMPORARY TABLE l (a INT, b TEXT)')
db.query("LOAD DATA LOCAL INFILE '#{ENV['SALLYPORT_FILE']}' INTO TABLE l")
must(db.query('SELECT COUNT(*) AS n FROM l').first['n'] == 1000)
db.query('SET @a = 1; SELECT @a + 1; DO 3')
db.store_result while db.next_result
begin
  db.query('SELECT * FROM no_such_table')
  raise 'no error'
rescue Mysql2::Error => e
  must(e.error_number == 1146)
end
puts 'ok'
