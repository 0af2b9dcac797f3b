//! Logins and rights: what is refused says why, and what to grant.

use std::fs;
use std::sync::Arc;

use stocktake_sink::contract::Harness as _;
use stocktake_sink::{Sink as _, SinkErrorKind};
use stocktake_sink_postgres::PostgresSink;
use stocktake_sink_postgres::contract::{TestDatabase, TestServer};

use crate::support::{Password, assert_error, chain, counted, counts, database, night, publish, settings};

/// A server that asks all but its superuser for a password.
fn with_passwords() -> (Arc<TestServer>, TestDatabase) {
    let server = Arc::new(TestServer::start_on("", |directory| {
        let rules = "local all postgres trust\nlocal all outsider reject\nlocal all all scram-sha-256\n";
        fs::write(directory.join("data/pg_hba.conf"), rules).unwrap();
    }));
    let database = TestDatabase::of(&server);
    database.sql("create role loader login password 'hunter2-one'; create role outsider login");
    (server, database)
}

#[tokio::test]
async fn a_password_is_read_for_each_connection_and_never_shown() {
    let (server, database) = with_passwords();
    database.sql(&format!("grant create on database {} to loader", database.name()));
    let password = Password::new("hunter2-one");
    let url = server.url("loader", database.name());
    let settings = settings(&url).with_password(password.clone());
    let sink = PostgresSink::new(settings);
    sink.publish(&night(0, 20)).await.unwrap();
    // Rotated at the server: the sink has the old one until it is told.
    database.sql("alter role loader password 'hunter2-two'");
    let error = sink.publish(&night(1, 20)).await.unwrap_err();
    assert!(!format!("{} {error:?} {sink:?}", chain(&error)).contains("hunter2"), "{error:?} {sink:?}");
    let said = ["password authentication failed for user \"loader\"", "correct `password_file`"];
    assert_error::<()>(Err(error), SinkErrorKind::Forbidden, &said);
    *password.0.lock().unwrap() = "hunter2-two".to_owned();
    sink.publish(&night(1, 20)).await.unwrap();
    assert_eq!(counts(&database), [counted(&night(0, 20)), counted(&night(1, 20))]);
}

#[tokio::test]
async fn a_login_that_is_refused_says_why() {
    let (server, database) = with_passwords();
    let name = database.name();
    let as_user = |user: &str| settings(&server.url(user, name));
    let wrong = |settings| PostgresSink::new(settings);
    let says = ["asks for the password of user \"loader\", and none is configured", "set `password_file`"];
    assert_error(wrong(as_user("loader")).probe().await, SinkErrorKind::Forbidden, &says);
    let says = ["pg_hba.conf", "outsider"];
    let outsider = as_user("outsider").with_password(Password::new("x"));
    assert_error(wrong(outsider).probe().await, SinkErrorKind::Forbidden, &says);
    let nowhere = settings(&server.url("postgres", "nowhere"));
    let says = ["database \"nowhere\" does not exist", "run `create database \"nowhere\"`"];
    assert_error(wrong(nowhere).probe().await, SinkErrorKind::Invalid, &says);
}

#[tokio::test]
async fn rights_that_are_missing_are_named_until_all_are_there() {
    let (server, database) = database();
    database.sql("create role loader login");
    let sink = PostgresSink::new(settings(&server.url("loader", database.name())));
    let forbidden = async |parts: &[&str]| {
        assert_error(sink.probe().await, SinkErrorKind::Forbidden, parts);
        assert_error(sink.publish(&night(0, 20)).await, SinkErrorKind::Forbidden, parts);
    };
    forbidden(&["permission denied for database", "create schema stocktake authorization \"loader\""]).await;
    // What the message says, done wrongly at first.
    database.sql("create schema stocktake");
    forbidden(&["permission denied for schema stocktake", "grant usage, create on schema stocktake to \"loader\""])
        .await;
    database.sql("grant usage, create on schema stocktake to \"loader\"");
    sink.probe().await.unwrap();
    assert_eq!(database.leftovers().await, Vec::<String>::new());
    assert_eq!(database.sql("select count(*) from pg_class where relnamespace = 'stocktake'::regnamespace"), "0");
    sink.publish(&night(0, 20)).await.unwrap();
    // Tables that an administrator made: the user needs rights on rows alone.
    database.sql(
        "do $$ declare r record; begin \
         for r in select format('alter %s stocktake.%I owner to postgres', \
           case relkind when 'v' then 'view' else 'table' end, relname) as s from pg_class \
           where relnamespace = 'stocktake'::regnamespace and relkind in ('r', 'v') loop execute r.s; end loop; end $$; \
         revoke create on schema stocktake from loader",
    );
    forbidden(&["permission denied for table commits", "grant select, insert, update, delete on all tables"]).await;
    database.sql("grant select, insert, update, delete on all tables in schema stocktake to \"loader\"");
    sink.publish(&night(1, 20)).await.unwrap();
    assert_eq!(counts(&database), [counted(&night(0, 20)), counted(&night(1, 20))]);
}

#[tokio::test]
async fn a_server_that_is_not_there_says_so() {
    let (server, database) = database();
    let settings = database.settings();
    publish(&settings, &night(0, 20)).await.unwrap();
    drop(database);
    drop(server);
    let says = ["there is no socket", "start the server"];
    assert_error(publish(&settings, &night(1, 20)).await, SinkErrorKind::Unavailable, &says);
}
