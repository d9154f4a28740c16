//! The same questions, asked outside and inside a container, and the answers side by side.

use std::collections::BTreeMap;
use std::process::Command;

use super::stage::{Stage, say};
use crate::failure::Failure;

/// Questions that a shell can answer by itself, without any other program. Nothing is changed.
const QUESTIONS: &str = r#"
read name < /proc/sys/kernel/hostname; echo "hostname $name"
echo "pid $$"
set -- /proc/[0-9]*; echo "processes $#"
while read key value rest; do case $key in
  Uid:) echo "uid $value" ;; CapEff:) echo "capabilities $value" ;;
  NoNewPrivs:) echo "no-new-privileges $value" ;; Seccomp:) echo "seccomp $value" ;;
esac; done < /proc/self/status
while read inside outside count; do echo "map $inside $outside"; break; done < /proc/self/uid_map
cd /; set -- *; echo "root $*"
cd /sys/class/net; for i in *; do [ -d $i ] && echo "interface $i"; done
"#;

/// One column of answers.
type Answers = BTreeMap<String, Vec<String>>;

/// Asks, and prints the table.
pub(super) fn act(stage: &mut Stage) -> Result<(), Failure> {
    stage.act(
        "The same questions, outside and inside",
        &["09-namespaces", "10-users", "11-rootfs", "16-confine"],
    )?;
    let outside = outside()?;
    let inside = answers(&stage.answer(&["run", "--quiet", "base", "sh", "-c", QUESTIONS])?);
    say(&table(&outside, &inside))?;
    if first(&outside, "uid") == "0" {
        say("\nYou are root here. As an ordinary user, uid 0 inside would be you outside.\n")?;
    }
    Ok(())
}

fn outside() -> Result<Answers, Failure> {
    let output = Command::new("sh")
        .args(["-c", QUESTIONS])
        .output()
        .map_err(|e| Failure::io("start sh", &e))?;
    Ok(answers(&String::from_utf8_lossy(&output.stdout)))
}

fn answers(text: &str) -> Answers {
    let mut out = Answers::new();
    for line in text.lines() {
        if let Some((question, answer)) = line.split_once(' ') {
            out.entry(question.to_owned())
                .or_default()
                .push(answer.to_owned());
        }
    }
    out
}

fn table(outside: &Answers, inside: &Answers) -> String {
    let mut out = row("", "this machine", "the container");
    for (title, answer) in [
        ("hostname", hostname as fn(&Answers) -> String),
        ("its shell is", pid),
        ("processes in sight", |a| first(a, "processes").to_owned()),
        ("user", |a| format!("uid {}", first(a, "uid"))),
        ("  on this machine", outer_user),
        ("capabilities", capabilities),
        ("more by set-user-ID", |a| {
            yes(first(a, "no-new-privileges") == "0")
        }),
        ("system calls", |a| filter(first(a, "seccomp")).to_owned()),
        ("network interfaces", |a| {
            a.get("interface").map(|i| i.join(" ")).unwrap_or_default()
        }),
        ("in /", |a| first(a, "root").to_owned()),
    ] {
        out.push_str(&row(title, &answer(outside), &answer(inside)));
    }
    out
}

fn hostname(answers: &Answers) -> String {
    first(answers, "hostname").to_owned()
}

fn pid(answers: &Answers) -> String {
    format!("PID {}", first(answers, "pid"))
}

/// Which user of the machine this is. `/proc/self/uid_map` begins with the first number inside
/// and what it is outside.
fn outer_user(answers: &Answers) -> String {
    let uid: Option<u64> = first(answers, "uid").parse().ok();
    let mut map = first(answers, "map")
        .split_whitespace()
        .map(|n| n.parse::<u64>().ok());
    match (uid, map.next().flatten(), map.next().flatten()) {
        (Some(uid), Some(inner), Some(outer)) if uid >= inner => {
            format!("uid {}", outer + uid - inner)
        }
        _ => "unknown".to_owned(),
    }
}

fn capabilities(answers: &Answers) -> String {
    let set = u64::from_str_radix(first(answers, "capabilities"), 16).unwrap_or_default();
    set.count_ones().to_string()
}

fn yes(is: bool) -> String {
    if is { "possible" } else { "impossible" }.to_owned()
}

/// The modes of `Seccomp:` in proc_pid_status(5).
fn filter(mode: &str) -> &'static str {
    match mode {
        "0" => "all",
        "1" => "read, write, exit",
        "2" => "filtered",
        _ => "unknown",
    }
}

fn first<'a>(answers: &'a Answers, question: &str) -> &'a str {
    answers
        .get(question)
        .and_then(|all| all.first())
        .map_or("", String::as_str)
}

fn row(title: &str, outside: &str, inside: &str) -> String {
    const WIDTH: usize = 27;
    let fit = |text: &str| {
        if text.chars().count() <= WIDTH {
            return text.to_owned();
        }
        let start: String = text.chars().take(WIDTH - 1).collect();
        let end = start.rfind(' ').unwrap_or(start.len());
        format!("{} …", &start[..end])
    };
    let line = format!("  {title:<20}  {:<WIDTH$}  {}", fit(outside), fit(inside));
    format!("{}\n", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_stand_side_by_side() {
        let outside = answers(
            "hostname boat\npid 4711\nprocesses 99\nuid 1000\ncapabilities 0000000000000000\nno-new-privileges 0\nseccomp 0\nmap 0 0\nroot bin boot dev etc home lib lib64 media mnt\ninterface eth0\ninterface lo\n",
        );
        let inside = answers(
            "hostname 0123456789ab\npid 1\nprocesses 1\nuid 0\ncapabilities 00000000a80425fb\nno-new-privileges 1\nseccomp 2\nmap 0 1000\nroot bin etc\ninterface lo\n",
        );
        insta::assert_snapshot!(table(&outside, &inside));
    }

    #[test]
    fn a_user_is_found_through_the_map() {
        let check = |text, expected: &str| assert_eq!(outer_user(&answers(text)), expected);
        check("uid 1000\nmap 0 0\n", "uid 1000");
        check("uid 0\nmap 0 1000\n", "uid 1000");
        check("uid 5\n", "unknown");
    }
}
