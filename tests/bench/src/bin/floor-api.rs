//! The least that a program in mainstay's frame can do for the read of `bench-api`: a blocking thread for each connection, a
//! connection of an r2d2 pool for each request, the same statement. No key, no limits, no counts: nobody can be faster so.
//!
//! `floor-api CONNECTIONS SOCKET-FOLDER DATABASE`. Prints its port.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use bench::{Result, statements};
use postgres::{Client, NoTls, Statement};
use r2d2::{ManageConnection, Pool};
use uuid::Uuid;

/// Connections with the statement prepared.
struct Manager {
    config: postgres::Config,
    read: String,
}

impl ManageConnection for Manager {
    type Connection = (Client, Statement);
    type Error = postgres::Error;

    fn connect(&self) -> std::result::Result<Self::Connection, Self::Error> {
        let mut client = self.config.connect(NoTls)?;
        let read = client.prepare(&self.read)?;
        Ok((client, read))
    }

    fn is_valid(&self, _: &mut Self::Connection) -> std::result::Result<(), Self::Error> {
        Ok(())
    }

    fn has_broken(&self, connection: &mut Self::Connection) -> bool {
        connection.0.is_closed()
    }
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [connections, folder, database] = &words[..] else {
        return Err("usage: floor-api CONNECTIONS SOCKET-FOLDER DATABASE".into());
    };
    let mut config = postgres::Config::new();
    config.host_path(folder).user("postgres").dbname(database).options("-c timezone=UTC");
    let manager = Manager { config, read: statements::read("$1") };
    let pool = Pool::builder().max_size(connections.parse()?).test_on_check_out(false).build(manager)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    for stream in listener.incoming() {
        let (stream, pool) = (stream?, pool.clone());
        // How it ends is nobody's concern: wrk resets its connections when its time is over.
        thread::spawn(move || serve(&stream, &pool).is_ok());
    }
    Ok(())
}

/// Answers requests for `/api/teams/ID` until the client goes.
fn serve(mut stream: &TcpStream, pool: &Pool<Manager>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let (mut line, mut path, mut reply) = (String::new(), String::new(), Vec::new());
    while reader.read_line(&mut path)? > 0 {
        while {
            line.clear();
            reader.read_line(&mut line)? > 2
        } {}
        let id = path.split(' ').nth(1).and_then(|path| path.strip_prefix("/api/teams/")).ok_or("another path")?;
        let id = Uuid::parse_str(id)?;
        let row = {
            let mut connection = pool.get()?;
            let (client, read) = &mut *connection;
            client.query_one(&*read, &[&id])?
        };
        let (text, version): (&str, i32) = (row.get(0), row.get(1));
        reply.clear();
        write!(
            reply,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"{version}\"\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        )?;
        stream.write_all(&reply)?;
        path.clear();
    }
    Ok(())
}
