//! Token scopes: a set of them, and the sequence of sets to try for the catalog. Pure; sends nothing.

/// Most sets to try. Without this bound, a server that names another scope in each challenge could keep the client busy
/// for ever.
const STEPS: usize = 8;

/// Scopes to request in one token: each once, in the given order. Empty: no `scope` parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ScopeSet(Vec<String>);

impl ScopeSet {
    /// The scope of the catalog in the distribution specification.
    pub const CATALOG: &str = "registry:catalog:*";

    /// Whether these grants, written like scopes, include every scope of the set.
    pub fn is_granted_by(&self, grants: &[String]) -> bool {
        let granted = |scope: &str| {
            let Some((what, actions)) = scope.rsplit_once(':') else { return false };
            let mut same = grants.iter().filter_map(|grant| grant.rsplit_once(':')).filter(|(of, _)| *of == what);
            same.any(|(_, have)| {
                have.split(',').any(|one| one == "*") || actions.split(',').all(|a| have.split(',').any(|one| one == a))
            })
        };
        self.iter().all(granted)
    }

    /// Reads scopes in the forms that people and challenges write: several in one text, separated by blanks or commas.
    /// A comma within the actions (`repository:a:pull,push`) does not separate: the text after it has no colon.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut scopes: Vec<String> = Vec::new();
        for word in texts.into_iter().flat_map(str::split_ascii_whitespace) {
            let first = scopes.len();
            for piece in word.split(',').filter(|piece| !piece.is_empty()) {
                match scopes[first..].last_mut() {
                    Some(scope) if !piece.contains(':') => {
                        scope.push(',');
                        scope.push_str(piece);
                    }
                    _ => scopes.push(piece.to_owned()),
                }
            }
        }
        let mut set = Self::default();
        for scope in scopes {
            if !set.0.contains(&scope) {
                set.0.push(scope);
            }
        }
        set
    }

    /// The scopes to pull from these repositories.
    pub fn pull<'a>(repositories: impl IntoIterator<Item = &'a str>) -> Self {
        Self(repositories.into_iter().map(|name| format!("repository:{name}:pull")).collect())
    }

    /// The scopes, one by one.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The set without this scope.
    #[must_use]
    fn without(mut self, unwanted: &str) -> Self {
        self.0.retain(|scope| scope != unwanted);
        self
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_empty() { f.write_str("no scope") } else { f.write_str(&self.0.join(" ")) }
    }
}

/// The sets of scopes to try for the catalog: the configured one, that of the challenge, none; each once. No single set
/// works everywhere: distribution requires `registry:catalog:*`, Quay answers 400 to it.
#[derive(Clone, Debug)]
pub(crate) struct ScopeSequence {
    configured: Option<ScopeSet>,
    challenged: Vec<ScopeSet>,
    /// The scopes of a refused set, each alone.
    single: Vec<ScopeSet>,
    tried: Vec<ScopeSet>,
    /// A scope that is never requested.
    refused: Option<&'static str>,
}

impl ScopeSequence {
    /// A sequence that begins with the configured scopes, if there are any.
    pub(crate) fn new(configured: &[String]) -> Self {
        let configured = ScopeSet::parse(configured.iter().map(String::as_str));
        Self {
            configured: Some(configured).filter(|set| !set.is_empty()),
            challenged: Vec::new(),
            single: Vec::new(),
            tried: Vec::new(),
            refused: None,
        }
    }

    /// Leaves this scope out of all further sets: the registry is known to refuse it.
    pub(crate) fn leave_out(&mut self, scope: &'static str) {
        self.refused = Some(scope);
        self.configured = self.configured.take().map(|set| set.without(scope)).filter(|set| !set.is_empty());
    }

    /// Adds the scope that a challenge names. The scope of a later challenge is more precise and comes first.
    pub(crate) fn challenged(&mut self, scope: Option<&str>) {
        let mut set = ScopeSet::parse(scope);
        if let Some(refused) = self.refused {
            set = set.without(refused);
        }
        if !set.is_empty() && !self.tried.contains(&set) {
            self.challenged.insert(0, set);
        }
    }

    /// The next set; `None` after the last one, or after the most that are tried.
    pub(crate) fn step(&mut self) -> Option<ScopeSet> {
        if self.tried.len() == STEPS {
            return None;
        }
        let steps =
            self.single.iter().chain(&self.configured).chain(&self.challenged).cloned().chain([ScopeSet::default()]);
        let next = steps.into_iter().find(|set| !self.tried.contains(set))?;
        self.tried.push(next.clone());
        Some(next)
    }

    /// Notes that the token service refused the set of the last step. If it has several scopes, each is tried alone: some
    /// services read one only.
    pub(crate) fn refused(&mut self) {
        if let Some(ScopeSet(several)) = self.tried.last().filter(|set| set.0.len() > 1) {
            let (catalog, others): (Vec<_>, Vec<_>) =
                several.iter().cloned().partition(|scope| scope == ScopeSet::CATALOG);
            self.single.extend(catalog.into_iter().chain(others).map(|scope| ScopeSet(vec![scope])));
        }
    }

    /// The sets that were tried, for messages. A server chose a part of them, so `show` makes them safe to print.
    pub(crate) fn tried(&self, show: impl Fn(String) -> String) -> String {
        self.tried.iter().map(|set| format!("`{}`", show(set.to_string()))).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> ScopeSet {
        ScopeSet::parse([text])
    }

    #[test]
    fn scopes_written_with_commas_as_the_guide_writes_them_are_separated() {
        let guide = set("repository:org/a:pull,repository:org/b:pull");
        assert_eq!(guide.iter().collect::<Vec<_>>(), ["repository:org/a:pull", "repository:org/b:pull"]);
        let actions = set("repository:org/a:pull,push registry:catalog:*");
        assert_eq!(actions.iter().collect::<Vec<_>>(), ["repository:org/a:pull,push", "registry:catalog:*"]);
        assert_eq!(ScopeSet::parse(["a:b:c", "a:b:c"]).iter().count(), 1);
        assert!(set(" , ").is_empty());
    }

    #[test]
    fn scopes_are_separated_whatever_stands_between_them() {
        for text in [
            "repository:a:pull,repository:b:pull",
            "repository:a:pull repository:b:pull",
            " repository:a:pull ,\trepository:b:pull,",
        ] {
            assert_eq!(set(text).iter().collect::<Vec<_>>(), ["repository:a:pull", "repository:b:pull"], "{text}");
        }
        let actions = set("repository:a:pull,push,repository:b:pull,delete");
        assert_eq!(actions.iter().collect::<Vec<_>>(), ["repository:a:pull,push", "repository:b:pull,delete"]);
        let port = set("repository:host.example:5000/a:pull,push");
        assert_eq!(port.iter().collect::<Vec<_>>(), ["repository:host.example:5000/a:pull,push"]);
        assert_eq!(set("pull,push").iter().collect::<Vec<_>>(), ["pull,push"]);
    }

    #[test]
    fn a_scope_that_the_registry_is_known_to_refuse_is_never_asked_for() {
        let mut sequence = ScopeSequence::new(&["registry:catalog:*,repository:o/r:pull".into()]);
        sequence.leave_out("registry:catalog:*");
        sequence.challenged(Some("registry:catalog:*"));
        assert_eq!(sequence.step(), Some(set("repository:o/r:pull")));
        assert_eq!(sequence.step(), Some(ScopeSet::default()));
        assert_eq!(sequence.step(), None);
        let mut sequence = ScopeSequence::new(&["registry:catalog:*".into()]);
        sequence.leave_out("registry:catalog:*");
        assert_eq!(sequence.step(), Some(ScopeSet::default()));
        assert_eq!(sequence.step(), None);
    }

    #[test]
    fn the_ladder_is_configured_then_challenged_then_none_each_once() {
        let mut sequence = ScopeSequence::new(&["repository:o/r:pull".into()]);
        sequence.challenged(Some("registry:catalog:*"));
        assert_eq!(sequence.step(), Some(set("repository:o/r:pull")));
        assert_eq!(sequence.step(), Some(set("registry:catalog:*")));
        sequence.challenged(Some("registry:catalog:*"));
        assert_eq!(sequence.step(), Some(ScopeSet::default()));
        assert_eq!(sequence.step(), None);
    }

    #[test]
    fn the_scopes_of_a_refused_set_are_tried_one_by_one() {
        let mut sequence = ScopeSequence::new(&["repository:o/r:pull registry:catalog:*".into()]);
        sequence.challenged(Some("registry:catalog:*"));
        assert_eq!(sequence.step(), Some(set("repository:o/r:pull registry:catalog:*")));
        sequence.refused();
        assert_eq!(sequence.step(), Some(set("registry:catalog:*")));
        sequence.refused();
        assert_eq!(sequence.step(), Some(set("repository:o/r:pull")));
        assert_eq!(sequence.step(), Some(ScopeSet::default()));
        sequence.refused();
        assert_eq!(sequence.step(), None);
    }

    #[test]
    fn a_challenge_that_comes_late_is_still_a_step() {
        let mut sequence = ScopeSequence::new(&[]);
        sequence.challenged(None);
        assert_eq!(sequence.step(), Some(ScopeSet::default()));
        sequence.challenged(Some("registry:catalog:*"));
        assert_eq!(sequence.step(), Some(set("registry:catalog:*")));
        assert_eq!(sequence.step(), None);
        assert_eq!(sequence.tried(|scopes| scopes), "`no scope`, `registry:catalog:*`");
    }
}
