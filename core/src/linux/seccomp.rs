//! The system call filter: a policy by names becomes a program that the kernel runs on every call.
//!
//! The kernel's filter language has comparisons, jumps forward, and a verdict. A call comes as a
//! processor, a number and six arguments. Going through four hundred names one by one would be
//! slow, so the program is a search tree over the numbers, and runs of numbers with the same
//! verdict are one leaf.

use std::collections::BTreeMap;
use std::str::FromStr;

use nix::errno::Errno;
use seccompiler::{BpfProgram, sock_filter};

use super::explain::Kernel;
use super::sys::SysError;
use crate::spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator,
};

/// A policy that cannot become a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("system call filter: {reason}")]
pub(super) struct PolicyError {
    reason: String,
}

/// Instructions of the filter language, as in the kernel's `bpf_common.h`: what they do to the
/// one register A.
mod op {
    /// A = the word at offset k of the call's data.
    pub(super) const LOAD: u16 = 0x20;
    /// A = A & k.
    pub(super) const AND: u16 = 0x54;
    /// Go on k instructions later.
    pub(super) const JUMP: u16 = 0x05;
    /// Is A == k?
    pub(super) const EQUAL: u16 = 0x15;
    /// Is A > k?
    pub(super) const GREATER: u16 = 0x25;
    /// Is A >= k?
    pub(super) const AT_LEAST: u16 = 0x35;
    /// The verdict is k.
    pub(super) const RETURN: u16 = 0x06;
}

/// Where the parts of a call stand, as in the kernel's `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

const KILL_PROCESS: u32 = 0x8000_0000;
const ENOSYS: u32 = 0x0005_0000 | Errno::ENOSYS as u32;

/// Programs for x32 set this bit in the number. Hardly a kernel serves them, so nobody shall.
const X32: u32 = 0x4000_0000;

/// What the kernel calls this processor, as in its `audit.h`.
const AMD64: u32 = 0xc000_003e;

/// The longest program that the kernel takes.
const LONGEST: usize = 4096;

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq)]
enum Verdict {
    /// Always the same.
    Plain(u32),
    /// The first rule whose conditions all hold decides; otherwise the default does.
    First(Vec<(Vec<LinuxSeccompArg>, u32)>),
}

/// Makes the filter that a policy describes.
///
/// A number above every number that the policy names is a call newer than the policy: it does not
/// exist, so that programs fall back to what they know. Any other number without a rule meets the
/// policy's default.
pub(super) fn compile(policy: &LinuxSeccomp) -> Result<BpfProgram, PolicyError> {
    let default = policy.default_action().as_u32(policy.default_errno_ret());
    let mut program = vec![load(ARCHITECTURE)];
    let native = vec![Arch::ScmpArchNative];
    let architectures = policy.architectures().as_ref().unwrap_or(&native);
    for architecture in architectures {
        let Some((token, number)) = processor(*architecture) else {
            continue;
        };
        let mut section = vec![load(NUMBER)];
        if token == AMD64 {
            section.extend(branch(op::AT_LEAST, X32, vec![verdict(ENOSYS)]));
        }
        section.extend(search(&leaves(policy, number, default)?, default));
        program.extend(branch(op::EQUAL, token, section));
    }
    if program.len() == 1 {
        return Err(PolicyError {
            reason: "the policy names no processor that is known here".to_owned(),
        });
    }
    program.push(verdict(KILL_PROCESS));
    if program.len() > LONGEST {
        return Err(PolicyError {
            reason: format!(
                "{} instructions are more than the kernel takes",
                program.len()
            ),
        });
    }
    Ok(program)
}

/// Hands the filter to the kernel. From now on it is there, for this process and its children.
pub(super) fn apply(kernel: &mut Kernel<'_>, program: &BpfProgram) -> Result<(), SysError> {
    kernel.ask(
        "the kernel runs this program on every system call: most are allowed, what reaches around the container is not",
        || format!("seccomp(SECCOMP_SET_MODE_FILTER, {} instructions)", program.len()),
        || {
            seccompiler::apply_filter(program).map_err(|e| match e {
                seccompiler::Error::Prctl(e) | seccompiler::Error::Seccomp(e) => {
                    Errno::from_raw(e.raw_os_error().unwrap_or(0))
                }
                _ => Errno::EINVAL,
            })
        },
    )
}

/// From the name of a call to its number, where the processor has it.
type Numbering = fn(&str) -> Option<u32>;

/// What the kernel calls the processor, and how its calls are numbered.
fn processor(architecture: Arch) -> Option<(u32, Numbering)> {
    fn number<T: FromStr>(name: &str, id: impl Fn(T) -> i32) -> Option<u32> {
        T::from_str(name)
            .ok()
            .and_then(|call| u32::try_from(id(call)).ok())
    }
    match architecture {
        Arch::ScmpArchNative => match std::env::consts::ARCH {
            "x86_64" => processor(Arch::ScmpArchX86_64),
            "aarch64" => processor(Arch::ScmpArchAarch64),
            _ => None,
        },
        Arch::ScmpArchX86_64 => Some((AMD64, |name| {
            number(name, |n: syscalls::x86_64::Sysno| n.id())
        })),
        Arch::ScmpArchX86 => Some((0x4000_0003, |name| {
            number(name, |n: syscalls::x86::Sysno| n.id())
        })),
        Arch::ScmpArchAarch64 => Some((0xc000_00b7, |name| {
            number(name, |n: syscalls::aarch64::Sysno| n.id())
        })),
        Arch::ScmpArchArm => Some((0x4000_0028, |name| {
            number(name, |n: syscalls::arm::Sysno| n.id())
        })),
        _ => None,
    }
}

/// The verdicts over all numbers, as runs: the first number of each, and what becomes of it.
fn leaves(
    policy: &LinuxSeccomp,
    number: Numbering,
    default: u32,
) -> Result<Vec<(u32, Verdict)>, PolicyError> {
    let mut verdicts: BTreeMap<u32, Verdict> = BTreeMap::new();
    for rule in policy.syscalls().iter().flatten() {
        let action = action(rule.action(), rule.errno_ret())?;
        let conditions = rule.args().as_deref().unwrap_or_default();
        // A name that this processor does not have is no mistake: the list serves them all.
        for number in rule.names().iter().filter_map(|name| number(name)) {
            let known = verdicts.entry(number).or_insert(Verdict::First(Vec::new()));
            match known {
                _ if conditions.is_empty() => *known = Verdict::Plain(action),
                Verdict::First(rules) => rules.push((conditions.to_vec(), action)),
                Verdict::Plain(_) => {}
            }
        }
    }
    let mut leaves = vec![(0, Verdict::Plain(default))];
    let mut add = |start: u32, verdict: Verdict| {
        if leaves.last().is_some_and(|(last, _)| *last == start) {
            leaves.pop();
        }
        if leaves.last().is_none_or(|(_, last)| *last != verdict) {
            leaves.push((start, verdict));
        }
    };
    let newest = verdicts.keys().next_back().copied().unwrap_or(0);
    for (number, verdict) in verdicts {
        add(number, verdict);
        add(number + 1, Verdict::Plain(default));
    }
    add(newest + 1, Verdict::Plain(ENOSYS));
    Ok(leaves)
}

fn action(action: LinuxSeccompAction, errno: Option<u32>) -> Result<u32, PolicyError> {
    match action {
        LinuxSeccompAction::ScmpActNotify | LinuxSeccompAction::ScmpActTrace => Err(PolicyError {
            reason: format!("the action {action} needs a second process, and there is none"),
        }),
        _ => Ok(action.as_u32(errno)),
    }
}

/// The tree that finds the leaf of the number in A.
fn search(leaves: &[(u32, Verdict)], default: u32) -> Vec<sock_filter> {
    match leaves {
        [] => vec![verdict(default)],
        [(_, Verdict::Plain(action))] => vec![verdict(*action)],
        [(_, Verdict::First(rules))] => {
            let mut code: Vec<_> = rules.iter().flat_map(|(c, a)| rule(c, *a)).collect();
            code.push(verdict(default));
            code
        }
        _ => {
            let (left, right) = leaves.split_at(leaves.len() / 2);
            let mut code = branch(op::AT_LEAST, right[0].0, search(right, default));
            code.extend(search(left, default));
            code
        }
    }
}

/// `then` when A compares with `value`, otherwise what follows.
fn branch(compare: u16, value: u32, then: Vec<sock_filter>) -> Vec<sock_filter> {
    let mut code = match u8::try_from(then.len()) {
        Ok(length) => vec![instruction(compare, 0, length, value)],
        // A conditional jump reaches 255 instructions; a plain one reaches everywhere.
        Err(_) => vec![
            instruction(compare, 1, 0, value),
            instruction(
                op::JUMP,
                0,
                0,
                u32::try_from(then.len()).unwrap_or(u32::MAX),
            ),
        ],
    };
    code.extend(then);
    code
}

/// One rule: the verdict when all conditions hold, otherwise what follows.
fn rule(conditions: &[LinuxSeccompArg], action: u32) -> Vec<sock_filter> {
    let mut code = vec![verdict(action)];
    for condition in conditions.iter().rev() {
        code = self::condition(condition, code);
    }
    code
}

/// `then` when the condition holds, otherwise what follows it. Arguments have 64 bits and A has
/// 32, so each half is looked at by itself, the higher one first.
fn condition(condition: &LinuxSeccompArg, then: Vec<sock_filter>) -> Vec<sock_filter> {
    use LinuxSeccompOperator as Op;
    let offset = ARGUMENTS + 8 * u32::try_from(condition.index()).unwrap_or(0);
    let (low, high) = (load(offset), load(offset + 4));
    let (value, masked) = match condition.op() {
        Op::ScmpCmpMaskedEq => (condition.value_two().unwrap_or(0), Some(condition.value())),
        _ => (condition.value(), None),
    };
    let (value_low, value_high) = halves(value);
    let length = u8::try_from(then.len()).unwrap_or(u8::MAX);
    // Two words with the question asked of each: `yes` and `no` count the instructions to skip.
    let ask = |op: u16, value: u32, yes: u8, no: u8| instruction(op, yes, no, value);
    let mut code = match condition.op() {
        Op::ScmpCmpEq => vec![
            high,
            ask(op::EQUAL, value_high, 0, length + 2),
            low,
            ask(op::EQUAL, value_low, 0, length),
        ],
        Op::ScmpCmpMaskedEq => {
            let (mask_low, mask_high) = halves(masked.unwrap_or(0));
            vec![
                high,
                instruction(op::AND, 0, 0, mask_high),
                ask(op::EQUAL, value_high, 0, length + 3),
                low,
                instruction(op::AND, 0, 0, mask_low),
                ask(op::EQUAL, value_low, 0, length),
            ]
        }
        Op::ScmpCmpNe => vec![
            high,
            ask(op::EQUAL, value_high, 0, 2),
            low,
            ask(op::EQUAL, value_low, length, 0),
        ],
        Op::ScmpCmpGt | Op::ScmpCmpGe => {
            let last = if condition.op() == Op::ScmpCmpGt {
                op::GREATER
            } else {
                op::AT_LEAST
            };
            vec![
                high,
                ask(op::GREATER, value_high, 3, 0),
                ask(op::EQUAL, value_high, 0, length + 2),
                low,
                ask(last, value_low, 0, length),
            ]
        }
        Op::ScmpCmpLe | Op::ScmpCmpLt => {
            let last = if condition.op() == Op::ScmpCmpLe {
                op::GREATER
            } else {
                op::AT_LEAST
            };
            vec![
                high,
                ask(op::GREATER, value_high, length + 3, 0),
                ask(op::EQUAL, value_high, 0, 2),
                low,
                ask(last, value_low, length, 0),
            ]
        }
    };
    code.extend(then);
    code
}

fn halves(value: u64) -> (u32, u32) {
    let low = u32::try_from(value & 0xffff_ffff).unwrap_or(0);
    let high = u32::try_from(value >> 32).unwrap_or(0);
    (low, high)
}

fn load(offset: u32) -> sock_filter {
    instruction(op::LOAD, 0, 0, offset)
}

fn verdict(action: u32) -> sock_filter {
    instruction(op::RETURN, 0, 0, action)
}

fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runtime::capabilities::{ALL, DEFAULT};
    use crate::runtime::seccomp::default_policy;

    const ALLOW: u32 = 0x7fff_0000;
    const I386: u32 = 0x4000_0003;
    const ARM64: u32 = 0xc000_00b7;
    const EPERM: u32 = 0x0005_0001;

    /// Runs a filter as the kernel would.
    fn run(program: &[sock_filter], architecture: u32, number: u32, args: &[u64]) -> u32 {
        let word = |offset: u32| match offset {
            NUMBER => number,
            ARCHITECTURE => architecture,
            _ => {
                let argument = args.get((offset as usize - 16) / 8).copied().unwrap_or(0);
                let (low, high) = halves(argument);
                if offset.is_multiple_of(8) { low } else { high }
            }
        };
        let (mut a, mut at) = (0, 0);
        loop {
            let i = &program[at];
            at += 1;
            let holds = match i.code {
                op::LOAD => {
                    a = word(i.k);
                    continue;
                }
                op::AND => {
                    a &= i.k;
                    continue;
                }
                op::JUMP => {
                    at += i.k as usize;
                    continue;
                }
                op::RETURN => return i.k,
                op::EQUAL => a == i.k,
                op::GREATER => a > i.k,
                op::AT_LEAST => a >= i.k,
                other => panic!("instruction {other:#x}"),
            };
            at += usize::from(if holds { i.jt } else { i.jf });
        }
    }

    fn filter(architecture: &str, capabilities: &[&str]) -> BpfProgram {
        let policy = default_policy(architecture, capabilities);
        compile(&serde_json::from_value(policy).unwrap()).unwrap()
    }

    #[test]
    fn dockers_policy_on_each_processor() {
        let (amd64, arm64) = (filter("amd64", &DEFAULT), filter("arm64", &DEFAULT));
        let check = |architecture: u32, number: u32, args: &[u64], expected: u32| {
            let program = if architecture == ARM64 {
                &arm64
            } else {
                &amd64
            };
            assert_eq!(
                run(program, architecture, number, args),
                expected,
                "{architecture:#x} call {number} {args:x?}"
            );
        };
        check(AMD64, 0, &[], ALLOW); // read
        check(AMD64, 165, &[], EPERM); // mount
        check(AMD64, 246, &[], EPERM); // kexec_load
        check(AMD64, 425, &[], EPERM); // io_uring_setup
        check(AMD64, 161, &[], ALLOW); // chroot: the capability is among the fourteen
        check(AMD64, 435, &[], ENOSYS); // clone3
        check(AMD64, 5000, &[], ENOSYS); // newer than the policy
        check(AMD64, X32, &[], ENOSYS); // read of x32
        check(AMD64, 56, &[0x0100_0011], ALLOW); // clone, a child
        check(AMD64, 56, &[0x1000_0011], EPERM); // clone, with a user namespace
        check(AMD64, 56, &[0x0002_0000], EPERM); // clone, with a mount namespace
        check(AMD64, 41, &[2], ALLOW); // socket AF_INET
        check(AMD64, 41, &[40], EPERM); // socket AF_VSOCK
        check(AMD64, 41, &[0x1_0000_0028], ALLOW); // not AF_VSOCK by all 64 bits
        check(AMD64, 135, &[0], ALLOW); // personality
        check(AMD64, 135, &[0x2_0008], ALLOW);
        check(AMD64, 135, &[0xffff_ffff], ALLOW);
        check(AMD64, 135, &[0x4_0000], EPERM); // ADDR_NO_RANDOMIZE
        check(I386, 3, &[], ALLOW); // read
        check(I386, 21, &[], EPERM); // mount
        check(ARM64, 63, &[], ALLOW); // read
        check(ARM64, 40, &[], EPERM); // mount
        check(0x4000_0028, 3, &[], KILL_PROCESS); // arm on amd64
        assert_eq!(run(&arm64, 0x4000_0028, 3, &[]), ALLOW); // arm on arm64
    }

    #[test]
    fn capabilities_open_what_needs_them() {
        let all = filter("amd64", &ALL);
        for number in [165, 272, 321, 435] {
            assert_eq!(run(&all, AMD64, number, &[]), ALLOW, "{number}");
        }
        assert_eq!(run(&all, AMD64, 56, &[0x1000_0000]), ALLOW);
        assert_eq!(run(&all, AMD64, 246, &[]), EPERM);
    }

    #[test]
    fn every_allowed_name_is_allowed_and_every_other_is_not() {
        let policy = default_policy("amd64", &DEFAULT);
        let policy: LinuxSeccomp = serde_json::from_value(policy).unwrap();
        let program = compile(&policy).unwrap();
        let plain = &policy.syscalls().as_ref().unwrap()[0];
        let named = |name: &str| plain.names().iter().any(|n| n == name);
        let special = ["socket", "personality", "clone", "clone3"];
        let mut seen = 0;
        for call in syscalls::x86_64::Sysno::iter().filter(|c| !special.contains(&c.name())) {
            let number = u32::try_from(call.id()).unwrap();
            let expected = if named(call.name()) { ALLOW } else { EPERM };
            let got = run(&program, AMD64, number, &[]);
            assert!(
                got == expected || (got == ENOSYS && expected == EPERM),
                "{call}: {got:#x}"
            );
            seen += 1;
        }
        assert!(seen > 350);
    }

    #[test]
    fn the_tree_is_shallow() {
        let program = filter("amd64", &DEFAULT);
        assert!(program.len() < 1000, "{} instructions", program.len());
    }

    #[test]
    fn comparisons_with_64_bits() {
        const BIG: u64 = 0x1_0000_0002;
        let check = |op: &str, value: u64, two: u64, argument: u64, expected: bool| {
            let policy = json!({
                "defaultAction": "SCMP_ACT_ERRNO",
                "architectures": ["SCMP_ARCH_X86_64"],
                "syscalls": [{
                    "names": ["read"],
                    "action": "SCMP_ACT_ALLOW",
                    "args": [
                        { "index": 1, "value": 7, "op": "SCMP_CMP_EQ" },
                        { "index": 2, "value": value, "valueTwo": two, "op": op },
                    ],
                }],
            });
            let program = compile(&serde_json::from_value(policy).unwrap()).unwrap();
            let got = run(&program, AMD64, 0, &[0, 7, argument]);
            assert_eq!(got == ALLOW, expected, "{argument:#x} {op} {value:#x}");
            assert_eq!(run(&program, AMD64, 0, &[0, 8, argument]), EPERM);
        };
        for argument in [0, 1, 2, 3, BIG - 1, BIG, BIG + 1, BIG << 8, u64::MAX] {
            for value in [0, 2, BIG, u64::MAX] {
                check("SCMP_CMP_EQ", value, 0, argument, argument == value);
                check("SCMP_CMP_NE", value, 0, argument, argument != value);
                check("SCMP_CMP_LT", value, 0, argument, argument < value);
                check("SCMP_CMP_LE", value, 0, argument, argument <= value);
                check("SCMP_CMP_GT", value, 0, argument, argument > value);
                check("SCMP_CMP_GE", value, 0, argument, argument >= value);
                check(
                    "SCMP_CMP_MASKED_EQ",
                    value,
                    BIG,
                    argument,
                    argument & value == BIG,
                );
            }
        }
    }

    #[test]
    fn a_policy_that_cannot_be_enforced_is_refused() {
        let check = |policy: serde_json::Value, reason: &str| {
            let error = compile(&serde_json::from_value(policy).unwrap()).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        };
        check(
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_MIPS"] }),
            "no processor",
        );
        check(
            json!({
                "defaultAction": "SCMP_ACT_ALLOW",
                "architectures": ["SCMP_ARCH_X86_64"],
                "syscalls": [{ "names": ["read"], "action": "SCMP_ACT_NOTIFY" }],
            }),
            "second process",
        );
    }
}
