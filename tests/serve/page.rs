//! The pages, as a real browser sees them: Chromium without a window, with a screen of a desk and of a phone.

use std::path::Path;
use std::process::Command;

use crate::lab::{C0, SECRET, STRANGER, Server, Site};
use crate::support::program;

/// A page as the browser has it, and what the browser had to say: nothing, or what it refused to load or to apply.
fn seen(server: &Server, path: &str) -> Option<(String, String)> {
    let browser = program("chromium")?;
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(browser);
    options(&mut command, home.path()).args(["--enable-logging=stderr", "--dump-dom"]);
    let output = command.arg(format!("http://127.0.0.1:{}{path}", server.port)).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let console = said.lines().filter(|line| line.contains("CONSOLE")).collect::<Vec<_>>().join("\n");
    Some((String::from_utf8_lossy(&output.stdout).into_owned(), console))
}

fn options<'c>(command: &'c mut Command, home: &Path) -> &'c mut Command {
    command.env("HOME", home).arg(format!("--user-data-dir={}", home.display()));
    command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
}

/// Width and height of a picture, and how many bytes it has.
fn picture(server: &Server, path: &str, (width, height): (u32, u32)) -> Option<(u32, u32, usize)> {
    let browser = program("chromium")?;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("page.png");
    let mut command = Command::new(browser);
    options(&mut command, home.path()).arg(format!("--window-size={width},{height}"));
    command.arg(format!("--screenshot={}", file.display()));
    command.arg(format!("http://127.0.0.1:{}{path}", server.port)).output().unwrap();
    let bytes = std::fs::read(file).unwrap();
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    Some((number(16), number(20), bytes.len()))
}

#[test]
fn hosts_are_listed_with_their_states_and_can_be_filtered() {
    let site = Site::new();
    let server = Server::start(&site);
    let (_, token) = server.script(C0);
    server.post(STRANGER, &format!("/ks/c0/progress?token={token}"), b"packages <b>50</b> %");
    let Some((page, console)) = seen(&server, "/") else { return };
    assert_eq!(console, "");
    for name in ["c0", "c1", "disk", "sick", "bare"] {
        assert!(page.contains(&format!("<a href=\"/hosts/{name}\">{name}</a>")), "{name}: {page}");
    }
    assert!(page.contains("packages &lt;b&gt;50&lt;/b&gt; %"), "{page}");
    assert!(page.contains("class=\"state installing\""), "{page}");
    let (page, _) = seen(&server, "/?state=installing").unwrap();
    assert!(page.contains("/hosts/c0") && !page.contains("/hosts/c1"), "{page}");
    let (page, _) = seen(&server, "/?q=127.1.0.6&state=&appliance=compute").unwrap();
    assert!(page.contains("/hosts/c1") && !page.contains("/hosts/c0"), "{page}");
    let (page, _) = seen(&server, "/?q=%3Cscript%3Ealert(1)%3C/script%3E").unwrap();
    assert!(!page.contains("<script") && page.contains("No host is like that"), "{page}");
}

#[test]
fn a_line_of_a_kickstart_tells_what_caused_it_and_no_secret() {
    let site = Site::new();
    let server = Server::start(&site);
    let Some((page, console)) = seen(&server, "/hosts/c0") else { return };
    assert_eq!(console, "");
    assert!(page.contains("(secret rootpw)") && !page.contains(SECRET), "{page}");
    let line = page.lines().flat_map(|line| line.split("<a id=\"L")).find(|line| line.contains("(secret rootpw)"));
    let number: usize = line.unwrap().split('"').next().unwrap().parse().unwrap();
    assert!(line.unwrap().contains("title=\"nodes/compute.xml:"), "{line:?}");
    let (page, _) = seen(&server, &format!("/hosts/c0?line={number}")).unwrap();
    let cause = page.split("class=\"cause\"").nth(1).unwrap().split("</div>").next().unwrap();
    assert!(cause.contains("nodes/compute.xml:") && cause.contains("<code>rootpw</code>"), "{cause}");
}

#[test]
fn every_page_is_whole_on_a_desk_and_on_a_phone() {
    let site = Site::in_git();
    let server = Server::of_git(&site);
    for path in ["/", "/hosts/c0?line=3", "/generations", "/graph", "/graph/compute", "/sightings"] {
        let Some((page, console)) = seen(&server, path) else { return };
        assert_eq!(console, "", "{path}");
        assert!(page.contains("<main id=\"main\">") && page.trim_end().ends_with("</html>"), "{path}: {page}");
        for screen in [(1200, 800), (500, 900)] {
            let (width, height, bytes) = picture(&server, path, screen).unwrap();
            assert_eq!((width, height), screen, "{path}");
            assert!(bytes > 4000, "{path} is blank: {bytes} bytes");
        }
    }
}

#[test]
fn the_page_of_generations_shows_what_is_wrong_and_what_changed() {
    let site = Site::in_git();
    let server = Server::of_git(&site);
    site.edit("motd = \"first\"", "motd = \"second\"");
    site.commit("another motd");
    server.order("/api/v1/refresh", "");
    let Some((page, _)) = seen(&server, "/generations") else { return };
    assert!(page.contains("another motd") && page.contains("second"), "{page}");
    site.edit("[appliances.compute]", "[appliances.computer]");
    site.commit("broken");
    assert_eq!(server.operator("POST", "/api/v1/refresh", "").status, 409);
    for path in ["/", "/generations"] {
        let (page, _) = seen(&server, path).unwrap();
        assert!(page.contains("The newest revision is broken"), "{page}");
    }
    let (page, _) = seen(&server, "/generations").unwrap();
    assert!(page.contains("there is no appliance `compute`"), "{page}");
}
