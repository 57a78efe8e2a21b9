//! Eight parallel experiments: the smallest interesting hierarchical model.

/// Effects of coaching on SAT scores in eight schools, in points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EightSchools {
    /// Names of the schools.
    pub names: [&'static str; 8],
    /// Estimated effect of each school.
    pub effects: [f64; 8],
    /// Standard error of each effect, taken as known.
    pub standard_errors: [f64; 8],
}

/// The eight schools of Rubin (1981).
pub fn eight_schools() -> EightSchools {
    EightSchools {
        names: ["A", "B", "C", "D", "E", "F", "G", "H"],
        effects: [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0],
        standard_errors: [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0],
    }
}
