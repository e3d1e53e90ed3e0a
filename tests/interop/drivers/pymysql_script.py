# PyMySQL, or with "mysqlclient" as the last argument MySQLdb.
import os
import sys

host, port, user, password, ca, kind = sys.argv[1:7]
if kind == 'mysqlclient':
    import MySQLdb as driver
    extra = {'ssl': {'ca': ca}} if ca else {'ssl_mode': 'DISABLED'}
else:
    import pymysql as driver
    extra = {'ssl': {'ca': ca}} if ca else {'ssl_disabled': True}
if kind == 'mysqlclient' and not ca:
    extra = {}
extra['local_infile'] = True

db = driver.connect(host=host, port=int(port), user=user, passwd=password,
                    db='demo', charset='utf8mb4', **extra)
c = db.cursor()
c.execute('SELECT CURRENT_USER()')
assert c.fetchone()[0] == os.environ.get('SALLYPORT_ACCOUNT', user) + '@%'
c.execute('CREATE TEMPORARY TABLE t (id INT PRIMARY KEY, text VARCHAR(100) CHARACTER SET utf8mb4, '
          'data LONGBLOB) ENGINE = InnoDB')
blob = bytes(range(256)) * 4096
c.execute('INSERT INTO t VALUES (%s, %s, %s)', (1, 'zażółć 🦊', blob))
db.commit()
c.execute('INSERT INTO t VALUES (2, NULL, NULL)')
db.rollback()
c.execute('SELECT COUNT(*) FROM t')
assert c.fetchone()[0] == 1
c.execute('SELECT text, data FROM t WHERE id = %s', (1,))
assert c.fetchone() == ('zażółć 🦊', blob)
c.execute('CREATE TEMPORARY TABLE l (a INT, b TEXT)')
c.execute("LOAD DATA LOCAL INFILE '%s' INTO TABLE l" % os.environ['SALLYPORT_FILE'])
c.executemany('INSERT INTO l VALUES (%s, %s)', [(i, 'many %d' % i) for i in range(100)])
c.execute('SELECT COUNT(*) FROM l')
assert c.fetchone()[0] == 1100
try:
    c.execute('SELECT * FROM no_such_table')
    raise AssertionError('no error')
except driver.ProgrammingError as e:
    assert e.args[0] == 1146, e.args
db.close()
print('ok')
