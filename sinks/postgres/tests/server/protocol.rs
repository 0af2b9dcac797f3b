//! Whatever happens between two steps: a snapshot is there wholly and once, or not at all.

use std::sync::Arc;

use stocktake_sink::contract::{Harness as _, id};
use stocktake_sink::{SinkErrorKind, SnapshotId, Table};
use stocktake_sink_postgres::contract::{ProxyStop, TestDatabase, TestProxy, TestServer};

use crate::support::{all_rows, assert_error, chain, counted, counts, database, night, of, publish, settings};

/// A database behind a proxy, where the first night is published.
async fn behind_proxy() -> (Arc<TestServer>, TestDatabase, TestProxy, String) {
    let (server, database) = database();
    publish(&database.settings(), &night(0, 100)).await.unwrap();
    let proxy = TestProxy::start(server.directory()).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/{}", proxy.port(), database.name());
    (server, database, proxy, url)
}

/// Rows of a `COPY` that are sent in several parts.
const SEVERAL_PARTS: usize = 4_000;

#[tokio::test]
async fn a_connection_that_is_cut_at_any_step_leaves_all_or_nothing_and_the_next_publish_repairs_it() {
    let (_server, database, proxy, url) = behind_proxy().await;
    let settings = settings(&url);
    proxy.go_on();
    publish(&settings, &night(1, SEVERAL_PARTS)).await.unwrap();
    let steps = proxy.steps();
    // The steps by name, so that a protocol that loses one is noticed.
    let named =
        ["begin", "select pg_advisory_xact_lock", "insert into", "delete from", "copy", "(rows)", "(end of rows)"];
    for name in named.iter().chain(&["update", "commit"]) {
        assert!(steps.iter().any(|step| step.starts_with(name)), "{name} in {steps:#?}");
    }
    let mut expected = vec![counted(&night(0, 100)), counted(&night(1, SEVERAL_PARTS))];
    let mut day = 2;
    for stop in [ProxyStop::CutBefore, ProxyStop::CutAfter] {
        for (number, step) in steps.iter().enumerate() {
            let snapshot = night(day, SEVERAL_PARTS);
            proxy.stop_at(move |at, _| (at == number).then_some(stop));
            let cut = publish(&settings, &snapshot).await;
            let error = cut.expect_err(step);
            assert_eq!(error.kind(), SinkErrorKind::Unavailable, "{stop:?} {step}: {}", chain(&error));
            // The server may still be ending the transaction, whose rows no reader sees.
            let is_committed = stop == ProxyStop::CutAfter && step == "commit";
            if is_committed {
                expected.push(counted(&snapshot));
            }
            assert_eq!(counts(&database), expected, "{stop:?} {step}");
            if !is_committed {
                expected.push(counted(&snapshot));
            }
            proxy.go_on();
            let first = publish(&settings, &snapshot).await.unwrap();
            assert_eq!(publish(&settings, &snapshot).await.unwrap(), first);
            assert_eq!(counts(&database), expected, "{stop:?} {step}, and again");
            day += 1;
        }
    }
    assert_eq!(database.leftovers().await, Vec::<String>::new());
    let sum: u64 = (0..day).map(|day| night(day, if day == 0 { 100 } else { SEVERAL_PARTS }).rows(Table::Tags)).sum();
    assert_eq!(all_rows(&database, Table::Tags), sum);
}

#[tokio::test]
async fn a_server_that_hangs_at_any_step_is_an_error_in_time() {
    let (_server, database, proxy, url) = behind_proxy().await;
    // A minute becomes a second.
    let settings = settings(&url).hurried(60);
    proxy.go_on();
    publish(&settings, &night(1, SEVERAL_PARTS)).await.unwrap();
    let steps = proxy.steps();
    let kinds = ["begin", "insert into", "delete from", "copy", "(end of rows)", "commit"];
    for name in kinds {
        let number = steps.iter().position(|step| step.starts_with(name)).expect(name);
        let snapshot = night(2, SEVERAL_PARTS);
        proxy.stop_at(move |at, _| (at == number).then_some(ProxyStop::Hold));
        let begun = tokio::time::Instant::now();
        let remedy = "check whether the server hangs, and the network to it";
        assert_error(publish(&settings, &snapshot).await, SinkErrorKind::Unavailable, &["within", remedy, "127.0.0.1"]);
        // Generous, because the machine may be busy: what is short of the real minute is asserted on the constants.
        assert!(begun.elapsed().as_secs() < 20, "{name}: {:?}", begun.elapsed());
        assert_eq!(counts(&database).len(), 2, "{name}");
        proxy.go_on();
    }
    publish(&settings, &night(2, SEVERAL_PARTS)).await.unwrap();
}

#[tokio::test]
async fn a_slow_copy_is_not_cut_while_it_goes_on() {
    let (_server, database) = database();
    // The server waits a while before each row of the first table: longer in all than any deadline.
    publish(&database.settings(), &night(0, 1)).await.unwrap();
    database.sql(
        "create function public.slow() returns trigger language plpgsql as \
         $$ begin perform pg_sleep(0.05); return new; end $$; \
         create trigger slow before insert on stocktake.repositories for each row execute function public.slow()",
    );
    let settings = database.settings().hurried(60);
    let begun = tokio::time::Instant::now();
    publish(&settings, &night(1, 60)).await.unwrap();
    assert!(begun.elapsed().as_secs_f64() > 2.0, "it was slow: {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_processes_that_publish_one_run_at_once_leave_one_set_of_rows() {
    let (_server, database) = database();
    for round in 0..3 {
        let settings = database.settings();
        let publishers: Vec<_> = (0..6)
            .map(|_| {
                let settings = settings.clone();
                tokio::spawn(async move { publish(&settings, &night(round, 500)).await.unwrap() })
            })
            .collect();
        let mut receipts = Vec::new();
        for publisher in publishers {
            receipts.push(publisher.await.unwrap());
        }
        receipts.dedup();
        assert_eq!(receipts.len(), 1, "{receipts:?}");
        let expected: Vec<_> = (0..=round).map(|day| counted(&night(day, 500))).collect();
        assert_eq!(counts(&database), expected);
    }
    assert_eq!(all_rows(&database, Table::Tags), 3 * night(0, 500).rows(Table::Tags));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_polls_sees_a_run_wholly_or_not_at_all() {
    let (server, database) = database();
    publish(&database.settings(), &night(0, 3000)).await.unwrap();
    let rows = night(0, 3000).rows(Table::Tags);
    let (settings, name) = (database.settings(), database.name().to_owned());
    let publisher = tokio::spawn(async move {
        for day in 1..12 {
            publish(&settings, &night(day, 3000)).await.unwrap();
        }
        // Another generation of a run replaces it at once as well.
        let again = SnapshotId { generation: 2, ..id("quay", 11) };
        publish(&settings, &of(&again, 3000)).await.unwrap();
    });
    let mut polls = 0;
    while !publisher.is_finished() {
        let server = server.clone();
        let name = name.clone();
        let seen = tokio::task::spawn_blocking(move || {
            server.sql(
                &name,
                "select run_id, count(*) from stocktake.tags group by 1 union all \
                 select 'latest ' || min(run_id) || max(run_id), count(*) from stocktake.latest_tags",
            )
        });
        for line in seen.await.unwrap().lines() {
            assert!(line.ends_with(&format!("|{rows}")), "{line}");
        }
        polls += 1;
    }
    publisher.await.unwrap();
    assert!(polls > 3, "the reader read meanwhile: {polls}");
}

#[tokio::test]
async fn a_dropped_publish_ends_its_work_on_the_server() {
    let (server, database) = database();
    publish(&database.settings(), &night(0, 100)).await.unwrap();
    // A statement that takes for ever, and does not read from its client.
    database.sql(
        "create function public.slow() returns trigger language plpgsql as \
         $$ begin perform pg_sleep(1000); return null; end $$; \
         create trigger slow before delete on stocktake.tags for each statement execute function public.slow()",
    );
    let busy = "select count(*) from pg_stat_activity where state = 'active' and query like 'delete from%tags%'";
    let settings = database.settings();
    let publishing = tokio::spawn(async move { publish(&settings, &night(1, 100)).await });
    while server.sql("postgres", busy) != "1" {
        tokio::task::yield_now().await;
    }
    publishing.abort();
    assert!(publishing.await.unwrap_err().is_cancelled());
    while server.sql("postgres", busy) != "0" {
        tokio::task::yield_now().await;
    }
    database.sql("drop trigger slow on stocktake.tags");
    publish(&database.settings(), &night(1, 100)).await.unwrap();
    assert_eq!(counts(&database), [counted(&night(0, 100)), counted(&night(1, 100))]);
}
