//! The runbooks of `docs/`, by alert: whoever reads on the page that one fires is a click away from what to do.

const RUNBOOKS: &str = include_str!("../../docs/runbooks.md");

/// The section on this alert, or all of them for no name; none if there is no such alert.
pub(super) fn of(alert: &str) -> Option<&'static str> {
    if alert.is_empty() {
        return Some(RUNBOOKS);
    }
    let (at, _) = RUNBOOKS.match_indices("\n## ").find(|(at, mark)| {
        let title = &RUNBOOKS[at + mark.len()..];
        title.lines().next() == Some(alert)
    })?;
    let section = &RUNBOOKS[at + 1..];
    Some(section.find("\n## ").map_or(section, |end| &section[..=end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_alert_has_its_own_section_and_nothing_else_has_one() {
        let titles: Vec<_> = RUNBOOKS.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert!(titles.len() > 10, "{titles:?}");
        for title in titles {
            let section = of(title).expect(title);
            assert!(section.starts_with(&format!("## {title}\n")), "{section}");
            assert_eq!(section.matches("\n## ").count(), 0, "{section}");
        }
        assert_eq!(of(""), Some(RUNBOOKS));
        for nobody in ["Stocktake", "## StocktakeDown", "StocktakeDown\n", "../Cargo.toml"] {
            assert_eq!(of(nobody), None, "{nobody}");
        }
    }
}
