// go-sql-driver/mysql.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"os"

	"github.com/go-sql-driver/mysql"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	a := os.Args
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User, c.Passwd, c.DBName = "tcp", a[1]+":"+a[2], a[3], a[4], "demo"
	c.MultiStatements = true
	if a[5] != "" {
		pem, err := os.ReadFile(a[5])
		must(err)
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		must(mysql.RegisterTLSConfig("ours", &tls.Config{RootCAs: pool, ServerName: "localhost"}))
		c.TLSConfig = "ours"
	}
	db, err := sql.Open("mysql", c.FormatDSN())
	must(err)
	db.SetMaxOpenConns(1)
	var who, text string
	var data []byte
	var n int
	must(db.QueryRow("SELECT CURRENT_USER()").Scan(&who))
	account := os.Getenv("SALLYPORT_ACCOUNT")
	if account == "" {
		account = a[3]
	}
	if who != account+"@%" {
		panic(who)
	}
	_, err = db.Exec("CREATE TEMPORARY TABLE t (id INT PRIMARY KEY, text VARCHAR(100) CHARACTER SET utf8mb4, data LONGBLOB) ENGINE = InnoDB")
	must(err)
	blob := make([]byte, 1<<20)
	for i := range blob {
		blob[i] = byte(i)
	}
	_, err = db.Exec("INSERT INTO t VALUES (?, ?, ?)", 1, "zażółć 🦊", blob)
	must(err)
	tx, err := db.Begin()
	must(err)
	_, err = tx.Exec("INSERT INTO t VALUES (2, NULL, NULL)")
	must(err)
	must(tx.Rollback())
	must(db.QueryRow("SELECT COUNT(*) FROM t").Scan(&n))
	must(db.QueryRow("SELECT text, data FROM t WHERE id = ?", 1).Scan(&text, &data))
	if n != 1 || text != "zażółć 🦊" || !bytes.Equal(data, blob) {
		panic("not so")
	}
	_, err = db.Exec("CREATE TEMPORARY TABLE l (a INT, b TEXT)")
	must(err)
	file := os.Getenv("SALLYPORT_FILE")
	mysql.RegisterLocalFile(file)
	_, err = db.Exec("LOAD DATA LOCAL INFILE '" + file + "' INTO TABLE l")
	must(err)
	_, err = db.Exec("SET @a = 1; DO @a; DO 3")
	must(err)
	must(db.QueryRow("SELECT COUNT(*) FROM l").Scan(&n))
	if n != 1000 {
		panic(n)
	}
	_, err = db.Exec("SELECT * FROM no_such_table")
	var e *mysql.MySQLError
	if !errors.As(err, &e) || e.Number != 1146 {
		panic(err)
	}
	fmt.Println("ok")
}
