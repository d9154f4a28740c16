#![allow(clippy::all, missing_docs)]
use coracle::linux::{root::RootDir, scan::*, unpack::*};
use std::{fs::File, sync::Arc, time::Instant};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    match a[1].as_str() {
        "unpack" | "apply" => {
            std::fs::create_dir_all(&a[3]).unwrap();
            let root = RootDir::open(&a[3]).unwrap();
            let t = Instant::now();
            let how = if a[1] == "apply" {
                Whiteouts::Apply
            } else {
                Whiteouts::Overlay {
                    userxattr: false,
                    lower: &[],
                }
            };
            let r = unpack(File::open(&a[2]).unwrap(), &root, how, &Limits::default());
            println!("{:?} {:?}", t.elapsed(), r);
            match r {
                Ok(r) => {
                    for w in r.warnings() {
                        println!("{w}")
                    }
                }
                Err(e) => println!("{e}"),
            }
        }
        "scan" => {
            let root = Arc::new(RootDir::open(&a[2]).unwrap());
            let t = Instant::now();
            let tree = scan_tree(&root).unwrap();
            eprintln!("{:?} {}", t.elapsed(), tree.len());
            if a.len() > 3 {
                let layer = coracle::layer::Layer {
                    hides: vec![],
                    adds: tree.iter().map(|(p, n)| (p.clone(), n.clone())).collect(),
                };
                let t = Instant::now();
                coracle::layer::tar::write(
                    &layer,
                    std::io::BufWriter::new(File::create(&a[3]).unwrap()),
                )
                .unwrap();
                eprintln!("write {:?}", t.elapsed());
            }
        }
        _ => panic!(),
    }
}
