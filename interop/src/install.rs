//! Bringing what is missing: Debian packages as root; wheels of PyPI, crates and Go modules into the cache.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use crate::{Result, process};

/// `$RIVERRUN_CACHE`, or `~/.cache/riverrun`.
pub(crate) fn cache() -> Result<PathBuf> {
    match std::env::var_os("RIVERRUN_CACHE").filter(|value| !value.is_empty()) {
        Some(path) => Ok(PathBuf::from(path)),
        None => {
            Ok(std::env::home_dir().ok_or("no home directory: set RIVERRUN_CACHE")?.join(".cache/riverrun"))
        }
    }
}

/// Where a program is, by `$PATH`.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let there = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    there.map(|dir| dir.join(program)).find(|path| path.is_file())
}

/// Whether this is root.
pub(crate) fn root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Makes sure that the programs are there, from the Debian package of the given name.
pub(crate) fn debian(package: &str, programs: &[&str]) -> Result {
    let missing = || programs.iter().find(|program| which(program).is_none());
    if missing().is_some() {
        apt_get(package)?;
    }
    missing().map_or(Ok(()), |program| Err(format!("{package} brought no `{program}`").into()))
}

fn apt_get(package: &str) -> Result {
    if crate::sandbox::inside() || !root() || which("apt-get").is_none() {
        return Err(format!("the Debian package {package} is not installed").into());
    }
    static UPDATE: Once = Once::new();
    UPDATE.call_once(|| {
        // Where the index cannot be had, the installation says so.
        let _ = process::run(Command::new("apt-get").args(["-qq", "update"]));
    });
    println!("installing the Debian package {package}");
    let _quiet = NoServices::new();
    let mut install = Command::new("apt-get");
    install.args(["-qq", "-y", "--no-install-recommends", "install", package]);
    process::run(install.env("DEBIAN_FRONTEND", "noninteractive"))?;
    Ok(())
}

/// While it lives, a package that is installed starts no service of its own.
struct NoServices(Option<&'static Path>);

impl NoServices {
    fn new() -> NoServices {
        use std::os::unix::fs::PermissionsExt;
        let policy = Path::new("/usr/sbin/policy-rc.d");
        if policy.exists() || std::fs::write(policy, "#!/bin/sh\nexit 101\n").is_err() {
            return NoServices(None);
        }
        let executable = std::fs::Permissions::from_mode(0o755);
        NoServices(std::fs::set_permissions(policy, executable).is_ok().then_some(policy))
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(policy) = self.0 {
            let _ = std::fs::remove_file(policy);
        }
    }
}

/// The Python of a virtual environment in the cache that holds one wheel of PyPI.
pub(crate) fn wheel(package: &str, version: &str) -> Result<PathBuf> {
    let venv = cache()?.join(format!("{package}-{version}"));
    let (python, done) = (venv.join("bin/python"), venv.join("installed"));
    if done.is_file() && python.exists() {
        return Ok(python);
    }
    if crate::sandbox::inside() {
        return Err(format!("no wheel of {package} {version} in the cache").into());
    }
    if process::run(Command::new("python3").args(["-c", "import ensurepip, venv"])).is_err() {
        apt_get("python3-venv")?;
    }
    println!("installing {package} {version} from PyPI into the cache");
    std::fs::create_dir_all(&venv).map_err(|error| format!("{}: {error}", venv.display()))?;
    process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    let wanted = format!("{package}=={version}");
    process::run(Command::new(&python).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--only-binary=:all:",
        &wanted,
    ]))?;
    std::fs::write(done, "")?;
    Ok(python)
}

/// A program of crates.io, built into the cache with its own lock file, and what pkg-config must find for that with the
/// Debian package that brings it.
pub(crate) fn crates_io(
    package: &str,
    version: &str,
    args: &[&str],
    library: (&str, &str),
) -> Result<PathBuf> {
    let home = cache()?.join(format!("{package}-{version}"));
    let program = home.join("bin").join(package);
    if program.is_file() {
        return Ok(program);
    }
    let cargo = std::env::var_os("CARGO").map(PathBuf::from).or_else(|| which("cargo"));
    let (false, Some(cargo)) = (crate::sandbox::inside(), cargo) else {
        return Err(format!("no {package} {version} in the cache").into());
    };
    if process::run(Command::new("pkg-config").args(["--exists", library.0])).is_err() {
        debian("pkg-config", &["pkg-config"])?;
        apt_get(library.1)?;
    }
    println!("installing {package} {version} from crates.io into the cache");
    std::fs::create_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
    let mut install = Command::new(cargo);
    install.args(["install", package, "--locked", "--version", version, "--root"]).arg(&home).args(args);
    // Its build is its own, and gives up a little speed for half the time.
    install.current_dir(&home).env("CARGO_TARGET_DIR", home.join("build")).env_remove("RUSTFLAGS");
    install.envs([
        ("CARGO_PROFILE_RELEASE_LTO", "off"),
        ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
        ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ]);
    process::run(&mut install)?;
    let _ = std::fs::remove_dir_all(home.join("build"));
    program.is_file().then_some(program).ok_or_else(|| format!("{package} brought no `{package}`").into())
}

/// A program of a Go module, built into the cache.
pub(crate) fn go(package: &str, version: &str, program: &str, home: &str) -> Result<PathBuf> {
    let bin = cache()?.join(format!("{home}-{version}")).join("bin");
    let path = bin.join(program);
    if path.is_file() {
        return Ok(path);
    }
    let go = which("go").or_else(|| Some(PathBuf::from("/usr/local/go/bin/go")).filter(|go| go.is_file()));
    let (false, Some(go)) = (crate::sandbox::inside(), go) else {
        return Err(format!("no {package} {version} in the cache, and no Go to build it").into());
    };
    println!("installing {package} {version} into the cache");
    std::fs::create_dir_all(&bin).map_err(|error| format!("{}: {error}", bin.display()))?;
    process::run(
        Command::new(go)
            .args(["install", &format!("{package}@v{version}")])
            .env("GOBIN", &bin)
            .env("GOFLAGS", ""),
    )?;
    path.is_file().then_some(path).ok_or_else(|| format!("{package} brought no `{program}`").into())
}
