//! The hostile grid in its quick form; `tests/slow` has the whole.

use crate::hostile::{Form, run};

#[test]
fn hostile_numbers_and_sizes_give_a_number_an_error_or_a_nan_with_a_reason() {
    let report = run(Form::Quick);
    println!("{report}");
    assert!(report.calls > 20_000, "{report}");
    assert!(report.is_clean(), "{report}");
}
