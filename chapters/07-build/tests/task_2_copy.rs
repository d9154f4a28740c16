//! Task 2: `copy` makes the layer of a COPY: files where they land, and what directories hold.
//!
//! Reread: What a directory copies

mod yard;

use ch07_build::copy;
use lesson::{accepted, refused, same};
use yard::{adds, path, tree};

const CONTEXT: &str = "a.txt b.txt src/ src/main.py src/lib/ src/lib/x.py";

#[track_caller]
fn check(sources: &[&str], destination: &str, from: &str, onto: &str, expected: &str) {
    let sources: Vec<String> = sources.iter().map(|each| (*each).to_owned()).collect();
    let case = format!(
        "COPY {} {destination} from /{from} onto {onto:?}",
        sources.join(" ")
    );
    let made = copy(
        &tree(CONTEXT),
        &sources,
        destination,
        &path(from),
        &tree(onto),
    );
    same(&case, &adds(&accepted(&case, made)), &expected.to_owned());
}

#[test]
fn a_file_lands_with_its_parents() {
    check(&["a.txt"], "/app/", "", "", "app/ app/a.txt=a.txt");
    check(&["a.txt"], "/app/b", "", "app/", "app/b=a.txt");
}

#[test]
fn a_relative_destination_is_seen_from_the_directory() {
    check(
        &["a.txt"],
        "./",
        "usr/app",
        "usr/ usr/app/",
        "usr/app/a.txt=a.txt",
    );
    check(
        &["a.txt"],
        "x",
        "usr/app",
        "usr/ usr/app/",
        "usr/app/x=a.txt",
    );
}

#[test]
fn a_source_may_lie_deep() {
    check(&["src/main.py"], "/", "", "", "main.py=src/main.py");
    check(&["/src/main.py"], "/m", "", "", "m=src/main.py");
}

#[test]
fn of_a_directory_the_content_is_copied() {
    let all = "app/ app/lib/ app/lib/x.py=src/lib/x.py app/main.py=src/main.py";
    check(&["src"], "/app", "", "", all);
    check(&["src/"], "/app/", "", "", all);
}

#[test]
fn everything_is_a_directory_too() {
    let all =
        "a.txt=a.txt b.txt=b.txt src/ src/lib/ src/lib/x.py=src/lib/x.py src/main.py=src/main.py";
    check(&["."], "/", "", "", all);
}

#[test]
fn several_sources_go_into_one_directory() {
    check(
        &["a.txt", "b.txt"],
        "/x/",
        "",
        "",
        "x/ x/a.txt=a.txt x/b.txt=b.txt",
    );
    let sources = ["a.txt".to_owned(), "b.txt".to_owned()];
    let made = copy(&tree(CONTEXT), &sources, "/x", &path(""), &tree(""));
    refused(
        "two files to /x",
        made.map(|layer| adds(&layer)),
        "several sources",
    );
}

#[test]
fn what_is_not_there_is_said() {
    let made = copy(
        &tree(CONTEXT),
        &["c.txt".to_owned()],
        "/",
        &path(""),
        &tree(""),
    );
    refused(
        "COPY c.txt /",
        made.map(|layer| adds(&layer)),
        "c.txt is not in the build context",
    );
}

#[test]
fn what_is_there_is_replaced() {
    check(&["a.txt"], "/a.txt", "", "a.txt=old", "a.txt=a.txt");
}

#[test]
fn what_is_there_already_is_copied_all_the_same() {
    check(&["a.txt"], "/x/", "", "x/ x/a.txt", "x/a.txt=a.txt");
    check(
        &["src"],
        "/x",
        "",
        "x/ x/lib/ x/lib/x.py=src/lib/x.py",
        "x/lib/ x/lib/x.py=src/lib/x.py x/main.py=src/main.py",
    );
}
