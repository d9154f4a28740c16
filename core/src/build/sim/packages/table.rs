//! The packages, with sizes in kilobytes of the real ones, which are bytes here.

/// A package of one manager.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// What it takes once installed.
    pub(super) size: usize,
    /// What is fetched.
    pub(super) download: usize,
    /// Programs, in `/usr/bin` when they have no directory.
    pub(super) programs: &'static [&'static str],
    /// Other files that people look for, with what is in them.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// What it cannot do without.
    pub(super) depends: &'static [&'static str],
    /// What comes along unless somebody says no.
    pub(super) recommends: &'static [&'static str],
}

const NONE: &[&str] = &[];
const NO_FILES: &[(&str, &str)] = &[];

const fn package(
    name: &'static str,
    version: &'static str,
    (size, download): (usize, usize),
    programs: &'static [&'static str],
    depends: &'static [&'static str],
) -> Package {
    Package {
        name,
        version,
        size,
        download,
        programs,
        files: NO_FILES,
        depends,
        recommends: NONE,
    }
}

const fn recommending(mut package: Package, recommends: &'static [&'static str]) -> Package {
    package.recommends = recommends;
    package
}

const fn with_files(
    mut package: Package,
    files: &'static [(&'static str, &'static str)],
) -> Package {
    package.files = files;
    package
}

const CERTIFICATES: &str = "-----BEGIN CERTIFICATE-----\nc2ltdWxhdGVk\n-----END CERTIFICATE-----\n";
const NGINX_CONF: &str =
    "worker_processes auto;\nevents {}\nhttp {\n    include /etc/nginx/conf.d/*.conf;\n}\n";
const NGINX_PAGE: &str = "<h1>Welcome to nginx!</h1>\n";

/// Debian's, of bookworm.
pub(super) const APT: &[Package] = &[
    recommending(
        package(
            "build-essential",
            "12.9",
            (20, 8),
            NONE,
            &["gcc", "g++", "make", "libc6-dev", "dpkg-dev"],
        ),
        NONE,
    ),
    package("bash", "5.2.15-2+b7", (7164, 1491), &["bash"], NONE),
    with_files(
        package(
            "ca-certificates",
            "20230311",
            (382, 153),
            &["/usr/sbin/update-ca-certificates"],
            &["openssl"],
        ),
        &[("/etc/ssl/certs/ca-certificates.crt", CERTIFICATES)],
    ),
    recommending(
        package(
            "curl",
            "7.88.1-10+deb12u8",
            (501, 315),
            &["curl"],
            &["libcurl4"],
        ),
        &["ca-certificates"],
    ),
    recommending(
        package(
            "dpkg-dev",
            "1.21.22",
            (2429, 1353),
            &["dpkg-buildpackage"],
            &["xz-utils"],
        ),
        &["patch"],
    ),
    package("file", "1:5.44-3", (127, 42), &["file"], NONE),
    package("g++", "4:12.2.0-3", (44_000, 10_700), &["g++"], &["gcc"]),
    package(
        "gcc",
        "4:12.2.0-3",
        (76_000, 19_300),
        &["gcc", "cc", "ld", "as"],
        &["libc6-dev"],
    ),
    recommending(
        package(
            "git",
            "1:2.39.5-0+deb12u1",
            (46_300, 7256),
            &["git"],
            &["libcurl4", "perl"],
        ),
        &["ca-certificates", "less", "openssh-client"],
    ),
    recommending(
        package("gnupg", "2.2.40-1.1", (885, 846), &["gpg"], NONE),
        NONE,
    ),
    package("iputils-ping", "3:20221126-1", (121, 47), &["ping"], NONE),
    package("jq", "1.6-2.1", (98, 65), &["jq"], NONE),
    package("less", "590-2.1~deb12u2", (322, 132), &["less"], NONE),
    package("libc6-dev", "2.36-9+deb12u8", (12_100, 1894), NONE, NONE),
    recommending(
        package("libcurl4", "7.88.1-10+deb12u8", (839, 390), NONE, NONE),
        &["ca-certificates"],
    ),
    package(
        "libpq-dev",
        "15.8-0+deb12u1",
        (640, 148),
        &["pg_config"],
        NONE,
    ),
    package("make", "4.3-4.1", (1599, 396), &["make"], NONE),
    package("netbase", "6.4", (41, 13), NONE, NONE),
    with_files(
        recommending(
            package("nginx", "1.22.1-9", (1365, 527), &["/usr/sbin/nginx"], NONE),
            NONE,
        ),
        &[
            ("/etc/nginx/nginx.conf", NGINX_CONF),
            ("/var/www/html/index.html", NGINX_PAGE),
        ],
    ),
    recommending(
        package(
            "nodejs",
            "18.19.0+dfsg-6~deb12u2",
            (38_700, 10_400),
            &["node", "nodejs"],
            NONE,
        ),
        &["ca-certificates", "npm"],
    ),
    package(
        "npm",
        "9.2.0~ds1-1",
        (2100, 716),
        &["npm", "npx"],
        &["nodejs"],
    ),
    package(
        "openssh-client",
        "1:9.2p1-2+deb12u3",
        (5895, 992),
        &["ssh", "scp", "ssh-keygen"],
        NONE,
    ),
    package(
        "openssl",
        "3.0.14-1~deb12u2",
        (2290, 1418),
        &["openssl"],
        NONE,
    ),
    package("patch", "2.7.6-7", (243, 128), &["patch"], NONE),
    package("perl", "5.36.0-7+deb12u1", (49_700, 7000), &["perl"], NONE),
    recommending(
        package(
            "procps",
            "2:4.0.2-3",
            (2398, 709),
            &["ps", "top", "free"],
            NONE,
        ),
        &["psmisc"],
    ),
    package("psmisc", "23.6-1", (942, 259), &["killall", "pstree"], NONE),
    package("python3", "3.11.2-1+b1", (31_500, 6500), &["python3"], NONE),
    recommending(
        package(
            "python3-pip",
            "23.0.1+dfsg-1",
            (7142, 1325),
            &["pip", "pip3"],
            &["python3"],
        ),
        &["build-essential", "python3-dev"],
    ),
    package(
        "python3-dev",
        "3.11.2-1+b1",
        (22_400, 5100),
        NONE,
        &["python3"],
    ),
    package("tini", "0.19.0-1", (1108, 255), &["tini"], NONE),
    package("tree", "2.1.0-1", (116, 52), &["tree"], NONE),
    package("tzdata", "2024a-0+deb12u1", (2536, 296), NONE, NONE),
    package("unzip", "6.0-28", (389, 166), &["unzip"], NONE),
    recommending(
        package(
            "vim",
            "2:9.0.1378-2",
            (3700, 1567),
            &["vim"],
            &["vim-runtime"],
        ),
        NONE,
    ),
    package("vim-runtime", "2:9.0.1378-2", (34_500, 7025), NONE, NONE),
    package("wget", "1.21.3-1+b2", (3692, 984), &["wget"], NONE),
    package("xz-utils", "5.4.1-0.2", (1244, 471), &["xz"], NONE),
];

/// Alpine's, of 3.20. apk has nothing that is only recommended.
pub(super) const APK: &[Package] = &[
    package(
        "bash",
        "5.2.26-r0",
        (1300, 488),
        &["/bin/bash"],
        &["readline"],
    ),
    package(
        "build-base",
        "0.5-r3",
        (2, 1),
        NONE,
        &["gcc", "g++", "make", "musl-dev"],
    ),
    with_files(
        package(
            "ca-certificates",
            "20240705-r0",
            (689, 145),
            &["/usr/sbin/update-ca-certificates"],
            NONE,
        ),
        &[("/etc/ssl/certs/ca-certificates.crt", CERTIFICATES)],
    ),
    package(
        "curl",
        "8.9.1-r1",
        (276, 136),
        &["curl"],
        &["ca-certificates", "libcurl"],
    ),
    package(
        "g++",
        "13.2.1_git20240309-r0",
        (49_200, 14_100),
        &["g++"],
        &["gcc"],
    ),
    package(
        "gcc",
        "13.2.1_git20240309-r0",
        (142_000, 51_800),
        &["gcc", "cc"],
        &["musl-dev"],
    ),
    package(
        "git",
        "2.45.2-r0",
        (7150, 3200),
        &["git"],
        &["ca-certificates", "libcurl"],
    ),
    package("go", "1.22.6-r0", (198_000, 60_200), &["go"], NONE),
    package("jq", "1.7.1-r0", (510, 240), &["jq"], NONE),
    package("libcurl", "8.9.1-r1", (662, 311), NONE, NONE),
    package(
        "libstdc++",
        "13.2.1_git20240309-r0",
        (2500, 830),
        NONE,
        NONE,
    ),
    package("make", "4.4.1-r2", (220, 116), &["make"], NONE),
    package("musl-dev", "1.2.5-r0", (9300, 2100), NONE, NONE),
    with_files(
        package(
            "nginx",
            "1.26.2-r0",
            (1420, 590),
            &["/usr/sbin/nginx"],
            NONE,
        ),
        &[
            ("/etc/nginx/nginx.conf", NGINX_CONF),
            ("/var/lib/nginx/html/index.html", NGINX_PAGE),
        ],
    ),
    package(
        "nodejs",
        "20.15.1-r0",
        (51_800, 14_600),
        &["node"],
        &["libstdc++", "ca-certificates"],
    ),
    package(
        "npm",
        "10.8.0-r0",
        (9600, 1900),
        &["npm", "npx"],
        &["nodejs"],
    ),
    package(
        "openssh-client",
        "9.7_p1-r4",
        (3100, 1200),
        &["ssh", "scp"],
        NONE,
    ),
    package("openssl", "3.3.2-r0", (770, 340), &["openssl"], NONE),
    package(
        "py3-pip",
        "24.0-r2",
        (6100, 1300),
        &["pip", "pip3"],
        &["python3"],
    ),
    package("python3", "3.12.6-r0", (28_900, 8100), &["python3"], NONE),
    package("readline", "8.2.10-r0", (308, 131), NONE, NONE),
    package("tini", "0.19.0-r3", (24, 12), &["/sbin/tini"], NONE),
    package("tree", "2.1.1-r0", (90, 41), &["tree"], NONE),
    package("tzdata", "2024a-r1", (1380, 420), NONE, NONE),
    package("vim", "9.1.0707-r0", (3300, 1500), &["vim"], &["xxd"]),
    package("wget", "1.24.5-r0", (502, 227), &["wget"], NONE),
    package("xxd", "9.1.0707-r0", (22, 11), &["xxd"], NONE),
];

/// Python's.
pub(super) const PIP: &[Package] = &[
    package("blinker", "1.8.2", (30, 9), NONE, NONE),
    package("certifi", "2024.8.30", (310, 167), NONE, NONE),
    package("charset-normalizer", "3.3.2", (370, 141), NONE, NONE),
    package("click", "8.1.7", (400, 97), NONE, NONE),
    package(
        "django",
        "5.1.1",
        (42_000, 8200),
        &["/usr/local/bin/django-admin"],
        &["sqlparse"],
    ),
    package(
        "fastapi",
        "0.114.2",
        (1100, 94),
        NONE,
        &["pydantic", "starlette"],
    ),
    package(
        "flask",
        "3.0.3",
        (430, 101),
        &["/usr/local/bin/flask"],
        &["blinker", "click", "itsdangerous", "jinja2", "werkzeug"],
    ),
    package(
        "gunicorn",
        "23.0.0",
        (380, 85),
        &["/usr/local/bin/gunicorn"],
        NONE,
    ),
    package("idna", "3.10", (440, 70), NONE, NONE),
    package("itsdangerous", "2.2.0", (60, 16), NONE, NONE),
    package("jinja2", "3.1.4", (560, 133), NONE, &["markupsafe"]),
    package("markupsafe", "2.1.5", (60, 28), NONE, NONE),
    package("numpy", "2.1.1", (68_000, 16_000), NONE, NONE),
    package(
        "pandas",
        "2.2.2",
        (61_000, 12_700),
        NONE,
        &["numpy", "python-dateutil", "pytz"],
    ),
    package("pydantic", "2.9.2", (3900, 434), NONE, NONE),
    package(
        "pytest",
        "8.3.3",
        (1400, 342),
        &["/usr/local/bin/pytest"],
        NONE,
    ),
    package("python-dateutil", "2.9.0.post0", (640, 229), NONE, &["six"]),
    package("pytz", "2024.2", (1500, 508), NONE, NONE),
    package(
        "requests",
        "2.32.3",
        (250, 64),
        NONE,
        &["certifi", "charset-normalizer", "idna", "urllib3"],
    ),
    package("six", "1.16.0", (60, 11), NONE, NONE),
    package("sqlparse", "0.5.1", (180, 44), NONE, NONE),
    package("starlette", "0.38.5", (470, 71), NONE, NONE),
    package("urllib3", "2.2.3", (560, 126), NONE, NONE),
    package(
        "uvicorn",
        "0.30.6",
        (350, 62),
        &["/usr/local/bin/uvicorn"],
        &["click"],
    ),
    package("werkzeug", "3.0.4", (900, 227), NONE, &["markupsafe"]),
];

/// Node's.
pub(super) const NPM: &[Package] = &[
    package("accepts", "1.3.8", (18, 6), NONE, NONE),
    package("body-parser", "1.20.3", (62, 15), NONE, &["bytes", "qs"]),
    package("bytes", "3.1.2", (13, 5), NONE, NONE),
    package("cookie", "0.6.0", (22, 7), NONE, NONE),
    package("debug", "4.3.7", (43, 13), NONE, &["ms"]),
    package("eslint", "9.10.0", (3200, 640), NONE, &["debug"]),
    package(
        "express",
        "4.21.0",
        (220, 58),
        NONE,
        &["accepts", "body-parser", "cookie", "qs"],
    ),
    package("jest", "29.7.0", (5200, 980), NONE, &["debug"]),
    package("left-pad", "1.3.0", (10, 4), NONE, NONE),
    package("lodash", "4.17.21", (1412, 319), NONE, NONE),
    package("ms", "2.1.3", (7, 3), NONE, NONE),
    package("qs", "6.13.0", (240, 61), NONE, NONE),
    package("react", "18.3.1", (318, 81), NONE, NONE),
    package("typescript", "5.6.2", (22_400, 4000), NONE, NONE),
];

/// The package of a name.
pub(super) fn find(table: &'static [Package], name: &str) -> Option<&'static Package> {
    table.iter().find(|package| package.name == name)
}

/// The packages that `names` need, what is needed before who needs it, each once.
pub(super) fn closure(
    table: &'static [Package],
    names: &[&'static Package],
    recommends: bool,
) -> Vec<&'static Package> {
    fn add(
        table: &'static [Package],
        package: &'static Package,
        recommends: bool,
        list: &mut Vec<&'static Package>,
        under_way: &mut Vec<&'static str>,
    ) {
        if under_way.contains(&package.name) || list.iter().any(|p| p.name == package.name) {
            return;
        }
        under_way.push(package.name);
        let wanted = if recommends { package.recommends } else { NONE };
        for name in package.depends.iter().chain(wanted) {
            if let Some(needed) = find(table, name) {
                add(table, needed, recommends, list, under_way);
            }
        }
        under_way.pop();
        list.push(package);
    }
    let mut list = Vec::new();
    for package in names {
        add(table, package, recommends, &mut list, &mut Vec::new());
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_needed_is_there() {
        for table in [APT, APK, PIP, NPM] {
            for package in table {
                for name in package.depends.iter().chain(package.recommends) {
                    assert!(find(table, name).is_some(), "{} needs {name}", package.name);
                }
                let all = closure(table, &[package], true);
                assert_eq!(all.last().map(|p| p.name), Some(package.name));
            }
        }
    }
}
