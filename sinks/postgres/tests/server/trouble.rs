//! A server that is restarted, is full, or has no room for one more connection.

use std::process::Command;
use std::sync::Arc;

use stocktake_sink::{SinkErrorKind, Table};
use stocktake_sink_postgres::contract::{TestDatabase, TestServer};

use crate::support::{all_rows, assert_error, counted, counts, database, night, publish, settings};

#[tokio::test]
async fn a_server_that_is_restarted_in_mid_copy_loses_nothing_and_is_told_from_one_that_is_down() {
    let mut server = TestServer::start();
    let name = server.database();
    let url = server.url("postgres", &name);
    publish(&settings(&url), &night(0, 100)).await.unwrap();
    // The copy takes for ever.
    server.sql(
        &name,
        "create function public.slow() returns trigger language plpgsql as \
         $$ begin perform pg_sleep(1000); return new; end $$; \
         create trigger slow before insert on stocktake.tags for each row execute function public.slow()",
    );
    let slow = settings(&url);
    let publishing = tokio::spawn(async move { publish(&slow, &night(1, 4000)).await });
    let copying = "select count(*) from pg_stat_activity where state = 'active' and query like 'copy %tags%'";
    while server.sql("postgres", copying) != "1" {
        tokio::task::yield_now().await;
    }
    server.crash();
    let says = ["the server closed the connection", "see its log"];
    assert_error(publishing.await.unwrap(), SinkErrorKind::Unavailable, &says);
    let says = ["start the server"];
    assert_error(publish(&settings(&url), &night(1, 4000)).await, SinkErrorKind::Unavailable, &says);
    server.restart();
    server.sql(&name, "drop trigger slow on stocktake.tags");
    publish(&settings(&url), &night(1, 4000)).await.unwrap();
    let tags = server.sql(&name, "select run_id, count(*) from stocktake.tags group by 1 order by 1");
    let rows = |day, rows| format!("{}|{}", night(day, rows).id().run_id(), night(day, rows).rows(Table::Tags));
    assert_eq!(tags, format!("{}\n{}", rows(0, 100), rows(1, 4000)));
}

#[tokio::test]
async fn a_backend_that_an_administrator_ends_is_an_error_that_says_so() {
    let (server, database) = database();
    publish(&database.settings(), &night(0, 100)).await.unwrap();
    // A trigger that ends its own server process, in mid copy.
    database.sql(
        "create function public.kill() returns trigger language plpgsql as \
         $$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$; \
         create trigger kill before insert on stocktake.tags for each row execute function public.kill()",
    );
    let says = ["the server closed the connection", "see its log"];
    assert_error(publish(&database.settings(), &night(1, 4000)).await, SinkErrorKind::Unavailable, &says);
    assert_eq!(counts(&database), [counted(&night(0, 100))]);
    database.sql("drop trigger kill on stocktake.tags");
    publish(&database.settings(), &night(1, 4000)).await.unwrap();
    assert_eq!(counts(&database), [counted(&night(0, 100)), counted(&night(1, 4000))]);
    drop(server);
}

#[tokio::test]
async fn no_room_for_a_connection_or_a_lock_may_pass() {
    let (server, database) = database();
    publish(&database.settings(), &night(0, 20)).await.unwrap();
    database.sql("create role loader login connection limit 0; grant all on schema stocktake to loader");
    let says = ["too many connections for role \"loader\"", "max_connections"];
    let limited = settings(&server.url("loader", database.name()));
    assert_error(publish(&limited, &night(1, 20)).await, SinkErrorKind::Unavailable, &says);
    // Another session works on a table, and does not end.
    let mut psql = server.psql(database.name());
    psql.args(["-c", "begin; lock table stocktake.tags; select pg_sleep(1000)"]).stdout(std::process::Stdio::null());
    let mut holder = psql.spawn().unwrap();
    let locked = "select count(*) from pg_locks where relation = 'stocktake.tags'::regclass and granted";
    while database.sql(locked) == "0" {
        tokio::task::yield_now().await;
    }
    let says = ["canceling statement due to lock timeout", "`pg_locks`"];
    let hurried = database.settings().hurried(60);
    assert_error(publish(&hurried, &night(1, 20)).await, SinkErrorKind::Unavailable, &says);
    server.sql("postgres", "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(1000)%' and pid <> pg_backend_pid()");
    holder.wait().unwrap();
    publish(&database.settings(), &night(1, 20)).await.unwrap();
    assert_eq!(counts(&database), [counted(&night(0, 20)), counted(&night(1, 20))]);
}

/// A disk of so many kilobytes in a directory of the server, or nothing where this user may not mount one.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(server: &TestServer, kilobytes: u32) -> Option<Self> {
        let at = server.directory().join("small");
        std::fs::create_dir(&at).unwrap();
        let options = format!("size={kilobytes}k,mode=0777");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(&at).output().unwrap();
        mounted.status.success().then_some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_leaves_the_earlier_nights() {
    let server = Arc::new(TestServer::start());
    let Some(disk) = SmallDisk::mount(&server, 4000) else {
        eprintln!("NOT CHECKED: this user may not mount a small disk");
        return;
    };
    let database = TestDatabase::of(&server);
    publish(&database.settings(), &night(0, 100)).await.unwrap();
    let location = disk.0.join("tables");
    server.make_directory(&location);
    database.sql(&format!("create tablespace small location '{}'", location.display()));
    database.sql("alter table stocktake.tags set tablespace small");
    let says = ["No space left on device", "make room on the disk of the server", "`keep`"];
    assert_error(publish(&database.settings(), &night(1, 40_000)).await, SinkErrorKind::Full, &says);
    assert_eq!(counts(&database), [counted(&night(0, 100))]);
    database.sql("alter table stocktake.tags set tablespace pg_default");
    publish(&database.settings(), &night(1, 40_000)).await.unwrap();
    assert_eq!(counts(&database), [counted(&night(0, 100)), counted(&night(1, 40_000))]);
    assert_eq!(all_rows(&database, Table::Tags), night(0, 100).rows(Table::Tags) + night(1, 40_000).rows(Table::Tags));
}
