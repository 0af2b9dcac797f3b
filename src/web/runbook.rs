//! The runbooks of `docs/runbooks.md`, by alert. The status page links to them.

const RUNBOOKS: &str = include_str!("../../docs/runbooks.md");

/// Each alert with its section, and the empty name with all sections.
pub(super) fn sections() -> impl Iterator<Item = (&'static str, &'static str)> {
    let starts = RUNBOOKS.match_indices("\n## ").map(|(at, _)| &RUNBOOKS[at + 1..]);
    let section = |start: &'static str| start.find("\n## ").map_or(start, |end| &start[..=end]);
    let alert = |section: &'static str| section["## ".len()..].lines().next().unwrap_or_default();
    let each = starts.map(section).map(move |section| (alert(section), section));
    std::iter::once(("", RUNBOOKS)).chain(each)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_alert_has_its_own_section_and_nothing_else_has_one() {
        let titles: Vec<_> = RUNBOOKS.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert!(titles.len() > 10, "{titles:?}");
        let (alerts, sections): (Vec<_>, Vec<_>) = sections().unzip();
        assert_eq!((alerts[0], sections[0]), ("", RUNBOOKS));
        assert_eq!(alerts[1..], titles);
        for (title, section) in titles.iter().zip(&sections[1..]) {
            assert!(section.starts_with(&format!("## {title}\n")), "{section}");
            assert_eq!(section.matches("\n## ").count(), 0, "{section}");
        }
    }
}
