//! The token cache on a paused clock, with an in-memory source.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::problem::Problem;
use crate::problem::error::Step;

/// Returns `t1`, `t2`, … after a second each; fails when the script says so.
#[derive(Debug, Default)]
struct Fake {
    fetched: AtomicU64,
    fails: Mutex<VecDeque<bool>>,
}

#[async_trait]
impl TokenSource for Fake {
    type Permit = ();
    async fn permit(&self) {}
    async fn fetch(&self, _: &TokenRequest, (): &()) -> Result<Token, RegistryError> {
        let number = self.fetched.fetch_add(1, Ordering::Relaxed) + 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
        if self.fails.lock().pop_front().unwrap_or(false) {
            return Err(RegistryError::new(Step::Token, Problem::NoRealm));
        }
        let lifetime = Duration::from_secs(100);
        Ok(Token { secret: Secret::new(format!("t{number}")), received: Instant::now(), lifetime })
    }
}

fn cache(fails: &[bool]) -> TokenCache<Fake> {
    TokenCache::new(Fake { fetched: AtomicU64::new(0), fails: Mutex::new(fails.iter().copied().collect()) })
}

fn wanted(scope: &str) -> TokenRequest {
    let realm = Url::parse("https://auth.example/token").expect("a URL");
    TokenRequest { realm, service: Some("r".into()), scopes: ScopeSet::parse([scope]) }
}

impl TokenCache<Fake> {
    async fn text(&self, scope: &str) -> String {
        self.get(&wanted(scope)).await.expect("a token").secret.expose().to_owned()
    }

    fn fetched(&self) -> u64 {
        self.source.fetched.load(Ordering::Relaxed)
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn concurrent_refreshes_collapse_into_one() {
    let cache = cache(&[]);
    let all = join_all((0..50).map(|_| cache.text("a:b:c"))).await;
    assert!(all.iter().all(|text| text == "t1"));
    assert_eq!(cache.fetched(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_requests_share_the_failure_and_do_not_fetch_again() {
    let cache = cache(&[true]);
    let wanted = wanted("a:b:c");
    let all = join_all((0..50).map(|_| cache.get(&wanted))).await;
    assert!(all.iter().all(Result::is_err));
    assert_eq!(cache.fetched(), 1);
    assert_eq!(cache.text("a:b:c").await, "t2", "later callers try again");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_fetch_blocks_no_other_request() {
    let cache = cache(&[]);
    let gave_up = tokio::time::timeout(Duration::from_millis(10), cache.get(&wanted("a:b:c"))).await;
    assert!(gave_up.is_err());
    assert_eq!(cache.text("a:b:c").await, "t2");
}

#[tokio::test(start_paused = true)]
async fn tokens_are_cached_by_realm_service_and_scope() {
    let cache = cache(&[]);
    assert_eq!(cache.text("repository:a:pull").await, "t1");
    assert_eq!(cache.text("repository:b:pull").await, "t2");
    assert_eq!(cache.text("repository:a:pull").await, "t1");
    let other_service = TokenRequest { service: None, ..wanted("repository:a:pull") };
    assert_eq!(cache.get(&other_service).await.expect("a token").secret.expose(), "t3");
    let other_realm = Url::parse("https://auth.example/other").expect("a URL");
    let other_realm = TokenRequest { realm: other_realm, ..wanted("repository:a:pull") };
    assert_eq!(cache.get(&other_realm).await.expect("a token").secret.expose(), "t4");
}

/// Runs the flow with a task that renews tokens.
async fn kept<T>(cache: &TokenCache<Fake>, flow: impl Future<Output = T>) -> T {
    tokio::select! {
        done = flow => done,
        () = cache.keep_fresh(CancellationToken::new()) => unreachable!("never stopped"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_ahead_of_expiry_and_no_request_waits_for_it() {
    let cache = cache(&[]);
    let flow = async {
        assert_eq!(cache.text("a:b:c").await, "t1");
        pass(70).await;
        assert_eq!(cache.text("a:b:c").await, "t1");
        pass(17).await;
        let asked = Instant::now();
        assert_eq!(cache.text("a:b:c").await, "t2");
        assert_eq!(asked.elapsed(), Duration::ZERO);
    };
    kept(&cache, flow).await;
    assert_eq!(cache.fetched(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failed_early_refresh_keeps_the_valid_token() {
    let cache = cache(&[false, true, true, true, true, true, true, true, false]);
    let flow = async {
        assert_eq!(cache.text("a:b:c").await, "t1");
        pass(60).await;
        assert_eq!(cache.text("a:b:c").await, "t1");
        pass(38).await;
        assert_eq!(cache.text("a:b:c").await, "t1", "refreshes failed, the token lives");
        let tried = cache.fetched();
        assert!((2..=5).contains(&tried), "tried again, with pauses: {tried}");
        pass(100).await;
        assert!(cache.fetched() <= tried + 1, "a dead token is nobody's to renew");
        assert_eq!(cache.state(), TokenState::Expired);
        assert!(cache.get(&wanted("a:b:c")).await.is_err());
    };
    kept(&cache, flow).await;
}

#[tokio::test(start_paused = true)]
async fn two_keepers_renew_once() {
    let cache = cache(&[]);
    let flow = async {
        cache.text("a:b:c").await;
        pass(50).await;
        cache.text("a:b:c").await;
        pass(40).await;
    };
    kept(&cache, kept(&cache, flow)).await;
    assert_eq!(cache.fetched(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_forgotten_and_its_successor_is_not() {
    let cache = cache(&[]);
    let old = cache.get(&wanted("a:b:c")).await.expect("a token").secret;
    cache.refused(&wanted("a:b:c"), &old);
    assert_eq!(cache.text("a:b:c").await, "t2");
    cache.refused(&wanted("a:b:c"), &old);
    assert_eq!(cache.text("a:b:c").await, "t2");
}

#[tokio::test(start_paused = true)]
async fn keep_fresh_renews_what_is_in_use_until_stopped() {
    let cache = Arc::new(cache(&[]));
    let stop = CancellationToken::new();
    let keeper = tokio::spawn({
        let (cache, stop) = (cache.clone(), stop.clone());
        async move { cache.keep_fresh(stop).await }
    });
    for _ in 0..40 {
        let asked = Instant::now();
        cache.text("a:b:c").await;
        assert!(asked.elapsed() < Duration::from_secs(1) || cache.fetched() == 1, "nobody waits but the first");
        pass(10).await;
    }
    assert!((5..=6).contains(&cache.fetched()), "{}", cache.fetched());
    let renewed_in_use = cache.fetched();
    pass(1000).await;
    assert!(cache.fetched() <= renewed_in_use + 1, "an idle token is renewed once at most");
    stop.cancel();
    keeper.await.expect("stopped");
}

#[tokio::test(start_paused = true)]
async fn a_token_used_for_a_moment_is_left_to_lapse_and_renewed_where_it_is_used_again() {
    let cache = cache(&[]);
    let flow = async {
        for number in 0..20 {
            cache.text(&format!("repository:r{number}:pull")).await;
        }
        pass(90).await;
        assert_eq!(cache.fetched(), 20, "nobody uses them any more");
        assert_eq!(cache.text("repository:r19:pull").await, "t20");
        pass(5).await;
        assert_eq!(cache.fetched(), 21, "renewed ahead of its end after all");
        assert_eq!(cache.text("repository:r19:pull").await, "t21");
    };
    kept(&cache, flow).await;
}

#[tokio::test(start_paused = true)]
async fn tokens_of_ten_thousand_repositories_are_not_kept() {
    let cache = cache(&[]);
    let scope = |number: usize| format!("repository:r{number}:pull");
    for number in 0..2000 {
        cache.text(&scope(number)).await;
        // In use all the time, as the token of the catalog is.
        cache.text("registry:catalog:*").await;
        assert!(cache.entries.lock().len() <= MOST);
    }
    let fetched = cache.fetched();
    cache.text(&scope(1999)).await;
    cache.text("registry:catalog:*").await;
    assert!(cache.fetched() <= fetched + 1, "what was used last is kept");
    assert!(cache.entries.lock().contains_key(&wanted(&scope(1999))));
    assert!(!cache.entries.lock().contains_key(&wanted(&scope(0))));
}

#[tokio::test(start_paused = true)]
async fn the_state_tells_how_long_the_token_lives() {
    let cache = cache(&[]);
    assert_eq!(cache.state(), TokenState::None);
    cache.text("a:b:c").await;
    let (expires_in, renew_in) = (Duration::from_secs(100), TimeDelta::seconds(100));
    assert_eq!(cache.state(), TokenState::Valid { expires_in, renew_in }, "nobody is there to renew it");
    pass(101).await;
    assert_eq!(cache.state(), TokenState::Expired);
}

#[tokio::test(start_paused = true)]
async fn the_state_tells_when_the_token_was_meant_to_be_renewed() {
    let cache = cache(&[false, true, true, true, true, true, true, true]);
    let renew_in = || match cache.state() {
        TokenState::Valid { renew_in, .. } => renew_in,
        other => panic!("{other:?}"),
    };
    let flow = async {
        cache.text("a:b:c").await;
        let due = renew_in();
        assert!((75..=85).contains(&due.num_seconds()), "{due}");
        pass(60).await;
        cache.text("a:b:c").await;
        assert_eq!(renew_in(), due - TimeDelta::seconds(60));
        pass(38).await;
        assert!(cache.fetched() > 1, "renewals fail");
        assert_eq!(renew_in(), due - TimeDelta::seconds(98), "and do not put it off");
    };
    kept(&cache, flow).await;
}
