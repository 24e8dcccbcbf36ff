//! PriorityLevelConfiguration: how much of the server a class of requests may take.

use serde_json::{Value, json};

use super::{GROUP, conditions};
use crate::json::{default, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, NONE, string};
use crate::status::{FieldError, Path};

pub(crate) const PRIORITY_LEVEL_CONFIGURATION: Kind = Kind {
    group: GROUP,
    version: "v1",
    kind: "PriorityLevelConfiguration",
    plural: "prioritylevelconfigurations",
    strategy: &PriorityLevel,
    columns: &[
        NAME,
        string("Type", "Limited or Exempt.", |level, _| json!(text(&level["spec"], "type"))),
        string("NominalConcurrencyShares", "Its share of the seats.", |level, _| {
            or_none(&level["spec"]["limited"]["nominalConcurrencyShares"])
        }),
        string("Queues", "How many queues it has.", |level, _| or_none(&queuing(level)["queues"])),
        string("HandSize", "How many queues a flow may use.", |level, _| {
            or_none(&queuing(level)["handSize"])
        }),
        string("QueueLengthLimit", "How long a queue may grow.", |level, _| {
            or_none(&queuing(level)["queueLengthLimit"])
        }),
        AGE,
    ],
    sealed: false,
};

fn queuing(level: &Value) -> &Value {
    &level["spec"]["limited"]["limitResponse"]["queuing"]
}

fn or_none(value: &Value) -> Value {
    if value.is_null() { json!(NONE) } else { value.clone() }
}

struct PriorityLevel;

impl Strategy for PriorityLevel {
    fn default(&self, level: &mut Value, _: &Cx) {
        let Some(spec) = level.get_mut("spec").filter(|spec| spec.is_object()) else { return };
        for (field, shares) in [("exempt", 0), ("limited", 30)] {
            let Some(part) = spec.get_mut(field).filter(|part| part.is_object()) else { continue };
            default(part, "nominalConcurrencyShares", shares);
            default(part, "lendablePercent", 0);
        }
        let Some(queuing) = spec.pointer_mut("/limited/limitResponse/queuing") else { return };
        for (field, usual) in [("handSize", 8), ("queues", 64), ("queueLengthLimit", 50)] {
            if queuing.is_object() && queuing[field].as_i64().unwrap_or(0) == 0 {
                queuing[field] = json!(usual);
            }
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate_create(&self, level: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (spec, path) = (&level["spec"], Path::of("spec"));
        let kind = text(spec, "type");
        if (text(&level["metadata"], "name") == "exempt") != (kind == "Exempt") {
            let why = "must be 'Exempt' if and only if `name` is 'exempt'";
            errors.push(path.child("type").invalid(kind, why));
        }
        match kind {
            "Exempt" => {
                if !spec["limited"].is_null() {
                    let why = "must be nil if the type is not Limited";
                    errors.push(path.child("limited").forbidden(why));
                }
                shares(&spec["exempt"], &path.child("exempt"), errors);
            }
            "Limited" => {
                if !spec["exempt"].is_null() {
                    errors.push(path.child("exempt").forbidden("must be nil if the type is Limited"));
                }
                if spec["limited"].is_null() {
                    errors.push(path.child("limited").required("must not be empty when type is Limited"));
                } else {
                    limited(&spec["limited"], &path.child("limited"), errors);
                }
            }
            other => errors.push(path.child("type").not_supported(other, &["Exempt", "Limited"])),
        }
        conditions(level, errors);
    }

    fn validate_update(&self, new: &Value, _: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        match cx.is_status() {
            true => conditions(new, errors),
            false => self.validate_create(new, cx, errors),
        }
    }
}

fn shares(part: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let shares = part["nominalConcurrencyShares"].as_i64().unwrap_or(0);
    if shares < 0 {
        let place = path.child("nominalConcurrencyShares");
        errors.push(place.invalid(shares, "must be a non-negative integer"));
    }
    let lendable = part["lendablePercent"].as_i64().unwrap_or(0);
    if !(0..=100).contains(&lendable) {
        let place = path.child("lendablePercent");
        errors.push(place.invalid(lendable, "must be between 0 and 100, inclusive"));
    }
}

fn limited(limited: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    shares(limited, path, errors);
    let borrowing = limited["borrowingLimitPercent"].as_i64().unwrap_or(0);
    if borrowing < 0 {
        let why = "if specified, must be a non-negative integer";
        errors.push(path.child("borrowingLimitPercent").invalid(borrowing, why));
    }
    let (response, path) = (&limited["limitResponse"], path.child("limitResponse"));
    let place = path.child("queuing");
    match text(response, "type") {
        "Reject" if !response["queuing"].is_null() => {
            let why = "must be nil if limited.limitResponse.type is not Limited";
            errors.push(place.forbidden(why));
        }
        "Queue" if response["queuing"].is_null() => {
            let why = "must not be empty if limited.limitResponse.type is Limited";
            errors.push(place.required(why));
        }
        "Queue" => queues(&response["queuing"], &place, errors),
        "Reject" => {}
        other => errors.push(path.child("type").not_supported(other, &["Queue", "Reject"])),
    }
}

/// `ValidatePriorityLevelQueuingConfiguration`: a flow's hand is dealt from the queues by 60 bits of a hash.
fn queues(queuing: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const MOST: i64 = 10_000_000;
    const HASH_BITS: u32 = 60;
    let number = |field: &str| queuing[field].as_i64().unwrap_or(0);
    let (queues, hand, length) = (number("queues"), number("handSize"), number("queueLengthLimit"));
    if length <= 0 {
        errors.push(path.child("queueLengthLimit").invalid(length, "must be positive"));
    }
    if queues <= 0 {
        errors.push(path.child("queues").invalid(queues, "must be positive"));
    } else if queues > MOST {
        errors.push(path.child("queues").invalid(queues, &format!("must not be greater than {MOST}")));
    }
    let place = path.child("handSize");
    if hand <= 0 {
        errors.push(place.invalid(hand, "must be positive"));
    } else if hand > queues {
        errors.push(place.invalid(hand, &format!("should not be greater than queues ({queues})")));
    } else {
        let bits = entropy_bits(queues, hand);
        if bits > HASH_BITS {
            let why = format!(
                "required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {HASH_BITS}"
            );
            errors.push(place.invalid(hand, &why));
        }
    }
}

/// How many bits deal a hand from a deck (`shufflesharding.RequiredEntropyBits`).
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
fn entropy_bits(deck: i64, hand: i64) -> u32 {
    (((deck as f64).log2() * hand as f64).ceil()) as u32
}
