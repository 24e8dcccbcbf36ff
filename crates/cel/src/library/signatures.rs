//! The functions that there are, with their types: the standard ones, cel-go's extensions for strings, lists and sets,
//! optionals, and Kubernetes' own (`k8s.io/apiserver/pkg/cel/library`). One line a function; what they do is in the
//! modules beside.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::types::{CIDR, FORMAT, IP, QUANTITY, SEMVER, Type, URL};

#[derive(Debug)]
pub(crate) struct Signature {
    /// Whether the first parameter stands before the dot.
    pub(crate) method: bool,
    pub(crate) params: Vec<Type>,
    pub(crate) result: Type,
}

/// Every signature of a function; none for what is no function.
pub(crate) fn signatures(function: &str) -> &'static [Signature] {
    static ALL: LazyLock<HashMap<&'static str, Vec<Signature>>> = LazyLock::new(read);
    ALL.get(function).map_or(&[], Vec::as_slice)
}

fn read() -> HashMap<&'static str, Vec<Signature>> {
    let mut all: HashMap<&'static str, Vec<Signature>> = HashMap::new();
    for line in FUNCTIONS.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (names, rest) = line.split_once(' ').expect("a name stands before the types");
        for form in rest.split(" | ") {
            let (params, result) = form.split_once("->").expect("a result stands behind the arrow");
            let (method, params) = match params.trim().strip_prefix('.') {
                Some(params) => (true, params),
                None => (false, params.trim()),
            };
            for name in names.split(',') {
                let mut reader = Reader { rest: params };
                let mut types = Vec::new();
                while !reader.rest.is_empty() {
                    types.push(reader.read());
                    reader.rest = reader.rest.trim_start_matches([',', ' ']);
                }
                let result = Reader { rest: result.trim() }.read();
                all.entry(name).or_default().push(Signature { method, params: types, result });
            }
        }
    }
    all
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn read(&mut self) -> Type {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "list" => Type::list(self.inner()),
            "opt" => Type::optional(self.inner()),
            "map" => {
                let key = self.inner_first();
                self.rest = self.rest.trim_start_matches([',', ' ']);
                let value = self.read();
                self.rest = &self.rest[1..];
                Type::map(key, value)
            }
            "dyn" => Type::Dyn,
            "null" => Type::Null,
            "bool" => Type::Bool,
            "int" => Type::Int,
            "uint" => Type::Uint,
            "double" => Type::Double,
            "string" => Type::String,
            "bytes" => Type::Bytes,
            "duration" => Type::Duration,
            "timestamp" => Type::Timestamp,
            "type" => Type::Kind,
            "quantity" => Type::Opaque(QUANTITY),
            "url" => Type::Opaque(URL),
            "ip" => Type::Opaque(IP),
            "cidr" => Type::Opaque(CIDR),
            "semver" => Type::Opaque(SEMVER),
            "format" => Type::Opaque(FORMAT),
            param => Type::Param(param.chars().next().expect("a parameter is a letter")),
        }
    }

    fn inner_first(&mut self) -> Type {
        self.rest = &self.rest[1..];
        self.read()
    }

    fn inner(&mut self) -> Type {
        let inner = self.inner_first();
        self.rest = &self.rest[1..];
        inner
    }
}

const FUNCTIONS: &str = "
    _==_,_!=_ A, A -> bool
    _<_,_<=_,_>_,_>=_ bool, bool -> bool | int, int -> bool | uint, uint -> bool | double, double -> bool | string, string -> bool | bytes, bytes -> bool | duration, duration -> bool | timestamp, timestamp -> bool | int, uint -> bool | int, double -> bool | uint, int -> bool | uint, double -> bool | double, int -> bool | double, uint -> bool
    _+_ int, int -> int | uint, uint -> uint | double, double -> double | string, string -> string | bytes, bytes -> bytes | list(A), list(A) -> list(A) | duration, duration -> duration | timestamp, duration -> timestamp | duration, timestamp -> timestamp
    _-_ int, int -> int | uint, uint -> uint | double, double -> double | duration, duration -> duration | timestamp, duration -> timestamp | timestamp, timestamp -> duration
    _*_,_/_ int, int -> int | uint, uint -> uint | double, double -> double
    _%_ int, int -> int | uint, uint -> uint
    -_ int -> int | double -> double
    !_ bool -> bool
    _?_:_ bool, A, A -> A
    _[_] list(A), int -> A | map(A, B), A -> B | opt(list(A)), int -> opt(A) | opt(map(A, B)), A -> opt(B)
    _[?_] list(A), int -> opt(A) | map(A, B), A -> opt(B) | opt(list(A)), int -> opt(A) | opt(map(A, B)), A -> opt(B)
    @in A, list(A) -> bool | A, map(A, B) -> bool
    size string -> int | bytes -> int | list(A) -> int | map(A, B) -> int | .string -> int | .bytes -> int | .list(A) -> int | .map(A, B) -> int
    contains .string, string -> bool
    startsWith,endsWith .string, string -> bool
    matches .string, string -> bool | string, string -> bool
    int int -> int | uint -> int | double -> int | string -> int | timestamp -> int | duration -> int
    uint uint -> uint | int -> uint | double -> uint | string -> uint
    double double -> double | int -> double | uint -> double | string -> double
    string string -> string | bool -> string | int -> string | uint -> string | double -> string | bytes -> string | timestamp -> string | duration -> string | ip -> string | cidr -> string | quantity -> string | semver -> string
    bytes bytes -> bytes | string -> bytes
    bool bool -> bool | string -> bool
    duration duration -> duration | string -> duration | int -> duration
    timestamp timestamp -> timestamp | string -> timestamp | int -> timestamp
    dyn A -> dyn
    type A -> type
    getFullYear,getMonth,getDate,getDayOfMonth,getDayOfWeek,getDayOfYear .timestamp -> int | .timestamp, string -> int
    getHours,getMinutes,getSeconds,getMilliseconds .timestamp -> int | .timestamp, string -> int | .duration -> int
    charAt .string, int -> string
    indexOf,lastIndexOf .string, string -> int | .string, string, int -> int | .list(A), A -> int
    lowerAscii,upperAscii,trim,reverse .string -> string
    replace .string, string, string -> string | .string, string, string, int -> string
    split .string, string -> list(string) | .string, string, int -> list(string)
    substring .string, int -> string | .string, int, int -> string
    join .list(string) -> string | .list(string), string -> string
    format .string, list(dyn) -> string
    strings.quote string -> string
    isSorted .list(A) -> bool
    sum .list(int) -> int | .list(uint) -> uint | .list(double) -> double | .list(duration) -> duration
    min,max .list(A) -> A
    slice .list(A), int, int -> list(A)
    flatten .list(list(A)) -> list(A) | .list(dyn) -> list(dyn) | .list(dyn), int -> list(dyn)
    distinct,sort,reverse .list(A) -> list(A)
    lists.range int -> list(int)
    first,last .list(A) -> opt(A)
    sets.contains,sets.equivalent,sets.intersects list(A), list(A) -> bool
    find .string, string -> string
    findAll .string, string -> list(string) | .string, string, int -> list(string)
    optional.of,optional.ofNonZeroValue A -> opt(A)
    optional.none  -> opt(A)
    hasValue .opt(A) -> bool
    value .opt(A) -> A
    orValue .opt(A), A -> A
    or .opt(A), opt(A) -> opt(A)
    url string -> url
    isURL string -> bool
    getScheme,getHost,getHostname,getPort,getEscapedPath .url -> string
    getQuery .url -> map(string, list(string))
    ip string -> ip | .cidr -> ip
    isIP string -> bool
    ip.isCanonical string -> bool
    family .ip -> int
    isUnspecified,isLoopback,isLinkLocalMulticast,isLinkLocalUnicast,isGlobalUnicast .ip -> bool
    cidr string -> cidr
    isCIDR string -> bool
    containsIP .cidr, ip -> bool | .cidr, string -> bool
    containsCIDR .cidr, cidr -> bool | .cidr, string -> bool
    masked .cidr -> cidr
    prefixLength .cidr -> int
    quantity string -> quantity
    isQuantity string -> bool
    sign .quantity -> int
    isInteger .quantity -> bool
    asInteger .quantity -> int
    asApproximateFloat .quantity -> double
    isGreaterThan,isLessThan .quantity, quantity -> bool | .semver, semver -> bool
    compareTo .quantity, quantity -> int | .semver, semver -> int
    add,sub .quantity, quantity -> quantity | .quantity, int -> quantity
    semver string -> semver | string, bool -> semver
    isSemver string -> bool | string, bool -> bool
    major,minor,patch .semver -> int
    format.named string -> opt(format)
    format.dns1123Label,format.dns1123Subdomain,format.dns1035Label,format.qualifiedName,format.dns1123LabelPrefix,format.dns1123SubdomainPrefix,format.dns1035LabelPrefix,format.labelValue,format.uri,format.uuid,format.byte,format.date,format.datetime  -> format
    validate .format, string -> opt(list(string))
";
