//! What a kickstart tells the server while it installs: that it begins, that packages are installed, that it is done.
//!
//! Where the server is and the token of the build stand on the kernel's command line, so that the kickstart holds
//! neither: it has the same bytes on every server and for every build.

/// A section and what it does.
pub type Report = (&'static str, &'static str);

/// Defined in each of the sections. The URL is that of the kickstart without its end.
pub const FUNCTION: &str = r#"# tells kgen how far this is
kgen_report() {
  local url token
  url=$(sed -n 's|^.*inst\.ks=\([^ ?]*\)\.ks.*$|\1|p' /proc/cmdline)
  token=$(sed -n 's|^.*inst\.ks=[^ ?]*\.ks?token=\([0-9a-f]*\).*$|\1|p' /proc/cmdline)
  [ -n "$url" ] || return 0
  # a loader that took its script from a file brought no token; a server that has none wants to hear nothing
  if [ -z "$token" ]; then
    token=$(curl --silent --fail --globoff --max-time 20 --retry 5 --retry-connrefused --data '' "$url/token")
    case $? in 0) ;; 22) return 0 ;; *) return 1 ;; esac
  fi
  curl --silent --show-error --fail --globoff --max-time 20 --data-binary "$2" "$url/$1?token=$token"
}
"#;

/// Before the disks are touched.
pub const BEGIN: Report = ("%pre", "kgen_report progress 'installation begins'\n");

/// When packages are installed, outside of the installed system: there the network is the installer's.
pub const PACKAGES: Report = ("%post --nochroot", "kgen_report progress 'packages are installed'\n");

/// After everything else. The machine would install itself again if this did not arrive, so it is said until it is heard.
pub const SUCCESS: Report =
    ("%post --nochroot", "for _ in {1..120}; do\n  kgen_report success done && break\n  sleep 10\ndone\n");
