use ed_macros::model;

#[model]
fn shadowed() -> Result<f64, String> {
    let x = sample(1.0);
    let x = sample(x);
    Ok(x)
}

#[model]
fn after_a_branch(c: bool) -> Result<f64, String> {
    if c {
        let x = sample(1.0);
    } else {
        let y = sample(1.0);
    }
    let x = observe(1.0, 2.0);
    match c {
        true => {
            let y = sample(1.0);
        }
        false => {}
    }
    Ok(x)
}

#[model]
fn in_two_loops() -> Result<(), String> {
    for _ in 0..2 {
        let z = sample(1.0);
    }
    loop {
        let z = sample(1.0);
        break;
    }
    Ok(())
}

#[model]
fn in_and_out_of_a_loop() -> Result<(), String> {
    let z = sample(1.0);
    while z > 0.0 {
        let z = sample(1.0);
    }
    Ok(())
}

#[model]
fn of_two_kinds() -> Result<(), String> {
    let w = plate(3, |rows| {
        let w = sample(1.0);
        Ok(w)
    });
    let child = nested(shadowed());
    let child = nested(shadowed());
    let r#type = sample(1.0);
    let type_ = sample(1.0);
    let r#type = sample(1.0);
    Ok(())
}

#[model]
fn after_a_plate_that_returned_early(c: bool) -> Result<f64, String> {
    let rows = plate(3, |rows| {
        if c {
            let w = sample(1.0);
            return Ok(w);
        }
        Ok(rows)
    });
    let w = sample(rows);
    Ok(w)
}

#[model]
fn in_a_condition(c: bool) -> Result<f64, String> {
    let picked = if {
        let x = sample(1.0);
        x > 0.0
    } {
        let x = sample(1.0);
        x
    } else {
        1.0
    };
    Ok(picked)
}

fn main() {}
