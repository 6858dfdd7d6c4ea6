fn main() {
    for seed in 0..3 {
        match riverrun_sim::scenarios::pair(seed.into()) { Ok(r) => println!("{r}"), Err(e) => println!("{e}") }
    }
}
