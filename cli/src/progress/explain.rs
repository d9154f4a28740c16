//! `--explain`: each request to the kernel, why it is made, and the chapter that teaches it.

use coracle::event::Explanation;

use crate::output::wrap;

/// The call on a line of its own, the reason below it.
pub(super) fn text(explanation: &Explanation, width: usize) -> String {
    let Explanation { call, why, chapter } = explanation;
    let call = wrap(call, width.saturating_sub(2), "      ");
    let why = wrap(
        &format!("{why} ({chapter})"),
        width.saturating_sub(6),
        "      ",
    );
    format!("* {call}\n      {why}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_reasons_wrap_below_the_call() {
        let explanation = Explanation {
            call: "mount(\"proc\", \"/proc\", \"proc\")".into(),
            why: "a process list of its own PID namespace".into(),
            chapter: "11-rootfs".into(),
        };
        insta::assert_snapshot!(text(&explanation, 40), @r#"
        * mount("proc", "/proc", "proc")
              a process list of its own PID
              namespace (11-rootfs)
        "#);
    }
}
