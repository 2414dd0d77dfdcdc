//! Tests of threads that use the same name at the same moment.

use std::path::Path;
use std::sync::Barrier;
use std::thread;

use super::*;
use crate::backend::sqlite::migrations;

impl Names {
    /// Makes all users idle for this many seconds longer.
    pub(in crate::backend::sqlite) fn let_time_pass(&self, seconds: i64) {
        for holder in self.lock().values() {
            holder.user.age(seconds);
        }
    }

    pub(in crate::backend::sqlite) fn clear(&self) {
        self.lock().clear();
    }
}

/// One thread uses the token while another thread claims the name, many times at the same moment.
#[tokio::test]
async fn nobody_gets_a_name_at_the_moment_of_its_use() {
    let database = Database::open(Path::new(":memory:"), 1 << 30, &migrations()).unwrap();
    let names = Arc::new(Names::load(Arc::new(database), 10).await.unwrap());
    let both = Arc::new(Barrier::new(2));
    for round in 0..5_000 {
        let old = User::test(1, "Ann");
        old.age(NAME_TTL + 1);
        let token = old.token;
        let holder = NameHolder {
            user: old,
            is_confirmed: true,
        };
        *names.lock() = HashMap::from([(token, holder)]);
        let (same_names, ready) = (Arc::clone(&names), Arc::clone(&both));
        let using = thread::spawn(move || {
            ready.wait();
            same_names.use_token(token)
        });
        both.wait();
        let reserved = names.reserve(&User::test(2, "Ann"));
        let used = using.join().unwrap();
        assert!(used.is_none() || reserved.is_err(), "in round {round}");
    }
}
