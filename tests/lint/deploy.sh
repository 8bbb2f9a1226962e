#!/bin/sh
# The manifests in cmd/mtnt-model/deploy, by the tools that they are for, and by the command that they run.
#   sh deploy.sh TOP MTNT            with the tools that are here; says which are not
#   sh deploy.sh --self-test TOP MTNT
#   sh deploy.sh --tools FOLDER      installs those that npm has into a folder of yours; MTNT_DEPLOY_TOOLS=FOLDER uses them
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tools=${MTNT_DEPLOY_TOOLS:-}

skip() { echo "skipped: $*"; }

install_tools() {
    mkdir -p "$1"
    (cd "$1" && npm install --no-audit --no-fund --no-save --prefix . kubernetes-models@4 js-yaml@4 dockerfile-utils dockerfilelint)
    echo "now:   MTNT_DEPLOY_TOOLS=$1 sh tests/lint/deploy.sh . build/dev/bin/mtnt-model"
}

# ---- systemd ----

# The lines of the service's Environment= and the arguments of its ExecStart=, as systemd would read them.
service_value() { sed -n "s/^$2=//p" "$1/mtnt-model@.service"; }

check_systemd() { # FOLDER TOP MTNT
    command -v systemd-analyze >/dev/null || { skip "systemd-analyze is not here"; return 0; }
    mkdir -p "$scratch/units"
    sed "s#/usr/bin/mtnt-model#$3#" "$1/mtnt-model@.service" >"$scratch/units/mtnt-model@.service"
    cp "$1/mtnt-model@.timer" "$scratch/units/"
    systemd-analyze verify --man=no --recursive-errors=no "$scratch/units/mtnt-model@shop.service" "$scratch/units/mtnt-model@shop.timer" \
        >"$scratch/verify" 2>&1 || { cat "$scratch/verify" && return 1; }
    # What it only warns of is wrong here too; units of this machine are none of ours.
    ! grep "$scratch\|mtnt-model@" "$scratch/verify" || return 1
    systemd-analyze security --help 2>/dev/null | grep -q -- --offline || { skip "systemd-analyze cannot look at a file's security"; return 0; }
    systemd-analyze security --offline=true --threshold=25 "$scratch/units/mtnt-model@shop.service" >"$scratch/security" 2>&1 ||
        { tail -1 "$scratch/security" && return 1; }
}

seconds() { # 5m -> 300
    case $1 in
    *min) echo $((${1%min} * 60)) ;;
    *m) echo $((${1%m} * 60)) ;;
    *s) echo "${1%s}" ;;
    *) echo "$1" ;;
    esac
}

# What is stopped has the time of one tenant and of its rollback.
check_time_to_stop() { # WHAT TIME DEADLINE UNLOCK_DEADLINE
    [ -n "$2" ] && [ -n "$3" ] && [ -n "$4" ] || { echo "$1: a time to stop, or what it comes from, is missing" && return 1; }
    [ "$(seconds "$2")" -gt $(($(seconds "$3") + $(seconds "$4"))) ] ||
        { echo "$1: it is killed after $2, although a tenant may take $3 and its rollback $4" && return 1; }
}

check_service() { # FOLDER TOP MTNT
    environment=$(service_value "$1" Environment)
    deadline=$(echo "$environment" | sed -n 's/.*MTNT_DEADLINE=\([^ ]*\).*/\1/p')
    unlock=$(echo "$environment" | sed -n 's/.*MTNT_UNLOCK_DEADLINE=\([^ ]*\).*/\1/p')
    check_time_to_stop "mtnt-model@.service" "$(service_value "$1" TimeoutStopSec)" "$deadline" "$unlock" || return 1
    # The command knows the options: what is not there is the project, and nothing else.
    arguments=$(service_value "$1" ExecStart | sed "s#^/usr/bin/mtnt-model ##; s#/etc/mtnt-model/%i#$scratch/none#")
    # shellcheck disable=SC2086 # words
    ! env $environment "$3" $arguments >"$scratch/output" 2>&1 || return 1
    grep -q "cannot open $scratch/none/mtnt.yaml" "$scratch/output" || { cat "$scratch/output" && return 1; }
}

# ---- Kubernetes ----

validate_schema='
const yaml = require("js-yaml"), fs = require("fs");
const kinds = {"v1": "kubernetes-models/v1", "batch/v1": "kubernetes-models/batch/v1"};
let count = 0;
for (const object of yaml.loadAll(fs.readFileSync(process.argv[1], "utf8"))) {
    new (require(kinds[object.apiVersion])[object.kind])(object).validate();
    count++;
}
if (count !== 3) throw new Error(count + " objects, not 3");'

check_schema() { # FOLDER
    [ -n "$tools" ] && [ -d "$tools/node_modules/kubernetes-models" ] && command -v node >/dev/null ||
        { skip "kubernetes-models (npm) is not here: sh tests/lint/deploy.sh --tools FOLDER"; return 0; }
    (cd "$tools" && node -e "$validate_schema" "$1/kubernetes-job.yaml") >"$scratch/schema" 2>&1 || { head -20 "$scratch/schema" && return 1; }
}

# A text block of the ConfigMap.
config_file() { # FOLDER NAME
    awk -v name="  $2: |" '$0 == name { inside = 1; next } inside && !/^    / { exit } inside { sub(/^    /, ""); print }' "$1/kubernetes-job.yaml"
}

check_kubernetes() { # FOLDER TOP MTNT
    mkdir -p "$scratch/project"
    for file in mtnt.yaml tenants.yaml chain.yaml; do
        config_file "$1" $file >"$scratch/project/$file"
        [ -s "$scratch/project/$file" ] || { echo "kubernetes-job.yaml: no $file in the ConfigMap" && return 1; }
    done
    controller=$(sed -n 's/^  controller: //p' "$1/kubernetes-job.yaml")
    "$3" validate --config "$scratch/project/mtnt.yaml" --controller "$controller" >"$scratch/output" 2>&1 || { cat "$scratch/output" && return 1; }
    check_time_to_stop kubernetes-job.yaml "$(sed -n 's/^ *terminationGracePeriodSeconds: //p' "$1/kubernetes-job.yaml")" \
        "$(sed -n 's/^deadline: \([^ ]*\).*/\1/p' "$scratch/project/mtnt.yaml")" \
        "$(sed -n 's/^unlock_deadline: \([^ ]*\).*/\1/p' "$scratch/project/mtnt.yaml")" || return 1
    arguments=$(sed -n 's/^ *args: \[\(.*\)\]$/\1/p' "$1/kubernetes-job.yaml" | tr -d ',"' | sed "s#/etc/mtnt-model#$scratch/none#")
    # shellcheck disable=SC2086 # words
    ! "$3" $arguments >"$scratch/output" 2>&1 || return 1
    grep -q "cannot open $scratch/none/mtnt.yaml" "$scratch/output" || { cat "$scratch/output" && return 1; }
}

# ---- the container ----

check_tools() { # FOLDER
    if [ -n "$tools" ] && [ -x "$tools/node_modules/.bin/dockerfile-utils" ]; then
        "$tools/node_modules/.bin/dockerfile-utils" lint "$1/Containerfile" >"$scratch/lint" 2>&1 || { cat "$scratch/lint" && return 1; }
        ! grep -q '^Line: ' "$scratch/lint" || { cat "$scratch/lint" && return 1; }
    else
        skip "dockerfile-utils (npm) is not here: sh tests/lint/deploy.sh --tools FOLDER"
    fi
    if command -v hadolint >/dev/null; then
        # DL3008: Debian's versions pass.
        hadolint --ignore DL3008 "$1/Containerfile" || return 1
    else
        skip "hadolint is not here"
    fi
    if docker info >/dev/null 2>&1; then
        docker build --check -f "$1/Containerfile" "$1" >"$scratch/lint" 2>&1 || { cat "$scratch/lint" && return 1; }
    else
        skip "docker does not run here"
    fi
}

# Debian has every package, and the sources everything that they are built from.
check_packages() { # FOLDER TOP
    packages=$(sed -n 's/.*--no-install-recommends \([^&]*\)&&.*/\1/p' "$1/Containerfile")
    [ "$(echo "$packages" | wc -l)" = 2 ] || { echo "Containerfile: not two lists of packages" && return 1; }
    needed=$(sed -n 's/^ *need_module [^ ]* \(lib[^ ]*\)$/\1/p' "$2/cmd/quickstart.sh")
    for package in $needed; do
        echo "$packages" | grep -qw -- "$package" || { echo "Containerfile: $package is not installed" && return 1; }
    done
    apt-cache show libc6 >/dev/null 2>&1 || { skip "apt-cache knows no packages here"; return 0; }
    grep -q '^VERSION_CODENAME=bookworm' /etc/os-release 2>/dev/null || { skip "another Debian than the container's"; return 0; }
    # shellcheck disable=SC2086 # words
    apt-cache show --no-all-versions $packages >/dev/null 2>"$scratch/packages" || { cat "$scratch/packages" && return 1; }
}

check_user() { # FOLDER
    [ "$(sed -n 's/^USER //p' "$1/Containerfile" | tail -1)" = 65532:65532 ] || { echo "Containerfile: it runs as another user" && return 1; }
}

# ---- all of it ----

check() { # FOLDER TOP MTNT
    for what in systemd service schema kubernetes tools packages user; do
        check_$what "$1" "$2" "$3" || return 1
    done
}

# A copy in which one file is changed by sed.
refuses() { # systemd|service|schema|kubernetes|tools|packages|user FILE SED TOP MTNT
    what=$1
    shift
    rm -rf "$scratch/broken"
    cp -R "$3/cmd/mtnt-model/deploy" "$scratch/broken"
    sed -i "$2" "$scratch/broken/$1"
    ! cmp -s "$scratch/broken/$1" "$3/cmd/mtnt-model/deploy/$1" || { echo "nothing was changed by $2" && return 1; }
    ! (check_"$what" "$scratch/broken" "$3" "$4") >/dev/null 2>&1 || { echo "not caught: $1 after $2" && return 1; }
}

self_test() { # TOP MTNT
    if command -v systemd-analyze >/dev/null; then
        refuses systemd mtnt-model@.service 's/^Type=oneshot/Type=onshot/' "$@"
        refuses systemd mtnt-model@.service 's/^RestrictRealtime/RestrictReeltime/' "$@"
        refuses systemd mtnt-model@.timer 's/^OnCalendar=hourly/OnCalendar=sometimes/' "$@"
        refuses systemd mtnt-model@.service '/^Protect\|^Private\|^System\|^Restrict[A-Z].*=yes\|^Capab/d' "$@"
    fi
    refuses service mtnt-model@.service 's/--config/--confg/' "$@"
    refuses service mtnt-model@.service 's/TimeoutStopSec=8min/TimeoutStopSec=7min/' "$@"
    refuses service mtnt-model@.service 's/MTNT_DEADLINE=5m/MTNT_DEADLINE=5x/' "$@"
    refuses kubernetes kubernetes-job.yaml 's/terminationGracePeriodSeconds: 480/terminationGracePeriodSeconds: 30/' "$@"
    refuses kubernetes kubernetes-job.yaml 's/--workers/--wrokers/' "$@"
    refuses kubernetes kubernetes-job.yaml 's/^    tenants: tenants.yaml/    tennants: tenants.yaml/' "$@"
    refuses packages Containerfile 's/libcyaml-dev//' "$@"
    refuses user Containerfile 's/^USER .*/USER root/' "$@"
    [ -z "$tools" ] || refuses schema kubernetes-job.yaml 's/restartPolicy: Never/restartPolicy: Nevr/' "$@"
    [ -z "$tools" ] || refuses tools Containerfile 's/^WORKDIR/WORKDR/' "$@"
}

case ${1:-} in
--tools) install_tools "$2" ;;
--self-test) self_test "$(cd "$2" && pwd)" "$(realpath "$3")" ;;
'') echo "usage: deploy.sh TOP MTNT | --self-test TOP MTNT | --tools FOLDER" >&2 && exit 64 ;;
*)
    top=$(cd "$1" && pwd)
    check "$top/cmd/mtnt-model/deploy" "$top" "$(realpath "$2")"
    ;;
esac
