//! URLs that go into a torrent.

use tracker::TrackerUrl;

use crate::exit::Failure;

/// The tiers that `option` was given: one each time, the trackers of one separated by commas.
pub(crate) fn tiers(option: &str, given: &[String]) -> Result<Vec<Vec<String>>, Failure> {
    let check = |url: &str| match TrackerUrl::parse(url) {
        Ok(_) => Ok(url.to_owned()),
        Err(error) => Err(Failure::usage(format!("{option} {url}: {error}"))),
    };
    let tier =
        |urls: &String| urls.split(',').map(str::trim).filter(|url| !url.is_empty()).map(check).collect();
    given.iter().map(tier).filter(|tier| !matches!(tier, Ok(urls) if Vec::is_empty(urls))).collect()
}

/// The web seeds that were given.
pub(crate) fn web_seeds(given: &[String]) -> Result<Vec<String>, Failure> {
    let known =
        |url: &&String| ["http://", "https://", "ftp://"].iter().any(|scheme| url.starts_with(scheme));
    match given.iter().find(|url| !known(url)) {
        Some(url) => {
            Err(Failure::usage(format!("--web-seed {url}: a web seed is an http, https or ftp URL")))
        }
        None => Ok(given.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Code;

    #[test]
    fn tiers_are_checked_and_empty_ones_left_out() {
        let given = ["http://a/announce, udp://b:1".to_owned(), " ,".to_owned()];
        assert_eq!(tiers("--announce", &given).unwrap(), [["http://a/announce", "udp://b:1"]]);
        assert_eq!(tiers("--announce", &["nonsense".to_owned()]).unwrap_err().code(), Code::Usage);
    }
}
