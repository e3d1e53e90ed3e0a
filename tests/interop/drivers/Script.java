/* MariaDB Connector/J, run from its source. */
import java.sql.*;
import java.util.*;

public class Script {
	static void must(boolean so) {
		if (!so)
			throw new AssertionError("not so");
	}

	public static void main(String[] a) throws Exception {
		String url = "jdbc:mariadb://" + a[0] + ":" + a[1] + "/demo?user=" + a[2] + "&password=" + a[3] +
		    "&allowPublicKeyRetrieval=true&useServerPrepStmts=true&allowLocalInfile=true&allowMultiQueries=true" +
		    "&useBulkStmts=true" +
		    (a[4].isEmpty() ? "&sslMode=disable" : "&sslMode=verify-full&serverSslCert=" + a[4]);
		try (Connection db = DriverManager.getConnection(url); Statement s = db.createStatement()) {
			ResultSet r = s.executeQuery("SELECT CURRENT_USER()");
			String account = System.getenv().getOrDefault("SALLYPORT_ACCOUNT", a[2]);
			must(r.next() && r.getString(1).equals(account + "@%"));
			s.execute("CREATE TEMPORARY TABLE t (id INT PRIMARY KEY, text VARCHAR(100)" +
			    " CHARACTER SET utf8mb4, data LONGBLOB) ENGINE = InnoDB");
			byte[] blob = new byte[1 << 20];
			for (int i = 0; i < blob.length; i++)
				blob[i] = (byte) i;
			String text = "za\u017c\u00f3\u0142\u0107 \ud83e\udd8a";
			try (PreparedStatement p = db.prepareStatement("INSERT INTO t VALUES (?, ?, ?)")) {
				p.setInt(1, 1);
				p.setString(2, text);
				p.setBytes(3, blob);
				p.execute();
			}
			db.setAutoCommit(false);
			s.execute("INSERT INTO t VALUES (2, NULL, NULL)");
			db.rollback();
			r = s.executeQuery("SELECT COUNT(*) FROM t");
			must(r.next() && r.getInt(1) == 1);
			try (PreparedStatement p = db.prepareStatement("SELECT text, data FROM t WHERE id = ?")) {
				p.setInt(1, 1);
				r = p.executeQuery();
				must(r.next() && r.getString(1).equals(text) && Arrays.equals(r.getBytes(2), blob));
			}
			db.setAutoCommit(true);
			s.execute("CREATE TEMPORARY TABLE l (a INT, b TEXT)");
			s.execute("LOAD DATA LOCAL INFILE '" + System.getenv("SALLYPORT_FILE") + "' INTO TABLE l");
			try (PreparedStatement p = db.prepareStatement("INSERT INTO l VALUES (?, ?)")) {
				for (int i = 0; i < 100; i++) {
					p.setInt(1, i);
					p.setString(2, i % 3 == 0 ? null : "batch " + i);
					p.addBatch();
				}
				p.executeBatch();
			}
			s.setFetchSize(10);
			r = s.executeQuery("SELECT a FROM l");
			int n = 0;
			while (r.next())
				n++;
			must(n == 1100);
			s.execute("SET @a = 1; SELECT @a + 1; DO 3");
			while (s.getMoreResults() || s.getUpdateCount() != -1)
				continue;
			try {
				s.execute("SELECT * FROM no_such_table");
				must(false);
			} catch (SQLException e) {
				must(e.getErrorCode() == 1146);
			}
		}
		System.out.println("ok");
	}
}
