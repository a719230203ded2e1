//! Shared by the Rust clients: arguments, clocks, one JSON line of results.
use std::{fs, sync::Arc, time::Instant};

pub struct Args {
    pub url: String,
    pub mode: String,
    pub ca: Option<String>,
    pub size: usize,
    pub count: u64,
    pub text: bool,
    pub batch: bool,
}

impl Args {
    pub fn parse() -> Args {
        let mut a =
            Args { url: String::new(), mode: "rtt".into(), ca: None, size: 64, count: 1000, text: false, batch: false };
        let mut it = std::env::args().skip(1);
        while let Some(k) = it.next() {
            match k.as_str() {
                "--text" => {
                    a.text = true;
                    continue;
                }
                "--batch" => {
                    a.batch = true;
                    continue;
                }
                "--deflate" => {
                    eprintln!("no permessage-deflate in this library");
                    std::process::exit(3)
                }
                _ => {}
            }
            let v = it.next().expect("value");
            match k.as_str() {
                "--url" => a.url = v,
                "--mode" => a.mode = v,
                "--ca" => a.ca = Some(v),
                "--size" => a.size = v.parse().unwrap(),
                "--count" => a.count = v.parse().unwrap(),
                _ => panic!("unknown option {k}"),
            }
        }
        a
    }
    pub fn tls(&self) -> bool {
        self.url.starts_with("wss:")
    }
    pub fn host(&self) -> &str {
        self.url.split("//").nth(1).unwrap()
    }
    pub fn full(&self, count: u64) -> String {
        let p = match self.mode.as_str() {
            "rtt" => "/echo".into(),
            "recv" => format!("/source?size={}&count={}{}", self.size, count, if self.text { "&text=1" } else { "" }),
            "send" => format!("/sink?count={count}"),
            _ => "/idle".into(),
        };
        format!("{}{}", self.url, p)
    }
    pub fn warm(&self) -> u64 {
        (self.count / 20 + 1).min(if self.mode == "dial" { 20 } else { 2000 })
    }
    pub fn tls_config(&self) -> Arc<rustls::ClientConfig> {
        use rustls::pki_types::{CertificateDer, pem::PemObject};
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.ca.as_ref().expect("--ca")).unwrap()).unwrap();
        Arc::new(
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth(),
        )
    }
    pub fn data(&self) -> Vec<u8> {
        (0..self.size).map(|i| (i * 31) as u8).collect()
    }
}

fn usage() -> (f64, f64) {
    unsafe {
        let mut r: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut r);
        let f = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
        (f(r.ru_utime), f(r.ru_stime))
    }
}

pub fn status(key: &str) -> i64 {
    fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .find(|l| l.starts_with(key))
        .and_then(|l| l.split_whitespace().nth(1))
        .and_then(|v| v.parse().ok())
        .unwrap_or(-1)
}

pub fn raise_nofile() {
    unsafe {
        let mut l: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut l);
        l.rlim_cur = l.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &l);
    }
}

pub struct Meter {
    t: Instant,
    u: (f64, f64),
    pub lat: Vec<u32>,
}
impl Meter {
    pub fn new(n: u64) -> Meter {
        Meter { lat: Vec::with_capacity(n as usize), t: Instant::now(), u: usage() }
    }
    pub fn restart(&mut self) {
        self.u = usage();
        self.t = Instant::now();
    }
    pub fn report(mut self, client: &str, a: &Args, rss_before: Option<i64>) {
        let wall = self.t.elapsed().as_secs_f64();
        let u = usage();
        let mut s = format!(
            "{{\"client\":\"{client}\",\"mode\":\"{}\",\"size\":{},\"count\":{},\"wall_s\":{:.6},\"user_s\":{:.6},\"sys_s\":{:.6},\"max_rss_kb\":{}",
            a.mode,
            a.size,
            a.count,
            wall,
            u.0 - self.u.0,
            u.1 - self.u.1,
            status("VmHWM:")
        );
        if !self.lat.is_empty() {
            self.lat.sort_unstable();
            let n = self.lat.len();
            s += &format!(
                ",\"p50_us\":{:.2},\"p99_us\":{:.2}",
                self.lat[n / 2] as f64 / 1e3,
                self.lat[n * 99 / 100] as f64 / 1e3
            );
        }
        if let Some(b) = rss_before {
            let r = status("VmRSS:");
            s += &format!(
                ",\"rss_kb\":{r},\"rss_before_kb\":{b},\"kb_per_conn\":{:.2},\"threads\":{}",
                (r - b) as f64 / a.count as f64,
                status("Threads:")
            );
        }
        println!("{s}}}");
    }
}

pub fn check8(p: &[u8], want: u64) {
    assert_eq!(p.len(), 8);
    assert_eq!(u64::from_be_bytes(p.try_into().unwrap()), want, "the sink counted other bytes");
}
