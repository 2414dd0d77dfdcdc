//! The page in Chinese: all of it, with room for it, and the way back to English.

use testing::browser::conformance::{
    the_language_is_chosen_without_a_script, the_page_is_all_chinese,
};

use super::trouble::respond_to;
use super::*;

/// Opens the page in Chinese for a user who has no name yet.
async fn visit_in_chinese<'a>(browser: &'a Browser, server: &Server, name: &str) -> Tab<'a> {
    let host = name.to_lowercase();
    let port = server.address().port();
    let url = format!("http://{host}.localhost:{port}/?language=zh-CN&room=lobby");
    let tab = browser.open(&url).await;
    tab.until("document.activeElement.name === 'name'").await;
    // From now on it remembers what was on the page for a moment only.
    the_page_is_all_chinese(&tab).await;
    tab
}

async fn join_in_chinese<'a>(browser: &'a Browser, server: &Server, name: &str) -> Tab<'a> {
    let tab = visit_in_chinese(browser, server, name).await;
    tab.type_text("#name", &format!("{name}\n")).await;
    tab.until_status("open").await;
    tab
}

async fn set_text(tab: &Tab<'_>, length: usize) {
    tab.evaluate(&format!(
        "(() => {{ const field = document.getElementById('text'); field.value = '字'.repeat({length});
            field.dispatchEvent(new Event('input')); return null; }})()"
    ))
    .await;
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_room_is_all_chinese() {
    let server = Server::start(BINARY, &IN_MEMORY);
    the_language_is_chosen_without_a_script(&server, "/").await;
    let browser = Browser::start().await;
    let ann = join_in_chinese(&browser, &server, "Ann").await;
    until_says(&ann, "people-title", "谁在这里（1）").await;
    until_says(&ann, "beginning", "#lobby 从这里开始。打个招呼吧！").await;
    let [bob, eve, joe, kim] = [
        join(&browser, &server, "Bob").await,
        join(&browser, &server, "Eve").await,
        join(&browser, &server, "Joe").await,
        join(&browser, &server, "Kim").await,
    ];
    until_says(&ann, "messages", "Bob 加入了").await;
    let mut who = Vec::new();
    for (tab, text) in [
        (&bob, "Bob 正在输入……"),
        (&eve, "Bob 和 Eve 正在输入……"),
        (&joe, "Bob、Eve 和 Joe 正在输入……"),
        (&kim, "好几个人正在输入……"),
    ] {
        who.push(tab);
        for tab in &who {
            tab.type_text("#text", "x").await;
        }
        until_says(&ann, "typing", text).await;
    }
    for transport in ["websocket", "sse", "long-poll"] {
        choose_transport(&ann, transport).await;
        until_transport(&ann, transport).await;
        say(&ann, &format!("你好 {transport}")).await;
        say(&bob, &format!("hi {transport}")).await;
        until_says(&ann, "messages", &format!("hi {transport}")).await;
        ann.until("!document.querySelector('[data-pending]')").await;
        the_page_is_all_chinese(&ann).await;
    }
    ann.evaluate("(document.querySelectorAll('#messages summary').forEach((summary) => summary.click()), null)")
        .await;
    ann.until("!document.querySelector('#messages dl:empty')")
        .await;
    ann.evaluate("(document.getElementById('network').open = true, null)")
        .await;
    ann.until("document.getElementById('timeline').checkVisibility()")
        .await;
    the_page_is_all_chinese(&ann).await;
    let day = "document.querySelector('[data-day]').dataset.day";
    let day = ann.evaluate(day).await;
    assert!(day.as_str().unwrap().contains("日星期"), "{day}");

    // A private message, and what is said of its reader.
    until_says(&ann, "people-title", "（5）").await;
    ann.click("#roster li:nth-child(2) button").await;
    until_says(&ann, "to-all", "只发给 Bob").await;
    say(&ann, "悄悄话").await;
    until_says(&ann, "messages", "Ann 只发给 Bob").await;
    bob.click("#messages .private .author button").await;
    say(&bob, "psst").await;
    until_says(&ann, "messages", "Bob 只发给你").await;
    leave(&bob).await;
    until_says(&ann, "recipient-note", "Bob 离开了。Bob 回来时").await;
    until_says(&ann, "messages", "Bob 离开了").await;
    for (length, counter) in [
        (10, "最多 2,000 个字符"),
        (1_900, "已写 1,900 个字符，最多 2,000 个"),
        (2_001, "多了 1 个"),
    ] {
        set_text(&ann, length).await;
        until_says(&ann, "counter", counter).await;
        the_page_is_all_chinese(&ann).await;
    }
    ann.click("#send-button").await;
    until_says(
        &ann,
        "error",
        "一条消息最多 2,000 个字符，这条有 2,001 个。",
    )
    .await;
    the_page_is_all_chinese(&ann).await;
    ann.is_accessible("the room in Chinese").await;

    // Back in the room, in English.
    ann.emulate(1280, "light").await;
    ann.click(".language").await;
    ann.until("document.documentElement.lang === 'en' && document.readyState === 'complete'")
        .await;
    ann.until_status("open").await;
    until_says(&ann, "people-title", "Who is here (4)").await;
    assert_eq!(browser.console_errors().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn what_goes_wrong_is_explained_in_chinese() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("chat.db");
    let flags = ["--database", database.to_str().unwrap(), "--rate", "0"];
    let flags = [&flags[..], &["--heartbeat", "2"]].concat();
    let server = Server::start(BINARY, &flags);
    let browser = Browser::start().await;
    let ann = visit_in_chinese(&browser, &server, "Ann").await;
    ann.type_text("#name", "Ann").await;
    for status in [
        200, 400, 401, 403, 404, 405, 408, 409, 413, 415, 418, 422, 429, 500, 502, 503, 504,
    ] {
        respond_to(&ann, "POST", "/session", status, "<h1>Bad gateway</h1>").await;
        ann.click("#join-button").await;
        ann.until("document.getElementById('error').textContent !== ''")
            .await;
        the_page_is_all_chinese(&ann).await;
        ann.type_text("#name", "n").await;
    }
    ann.evaluate(
        "(window.fetch = realFetch, document.getElementById('name').value = 'x'.repeat(25), null)",
    )
    .await;
    // The server's own sentence is English, and a screen reader reads it as English.
    ann.click("#join-button").await;
    ann.until("document.querySelector('#error [lang=en]')?.textContent.startsWith('A name has')")
        .await;
    the_page_is_all_chinese(&ann).await;
    ann.evaluate("(document.getElementById('name').value = '', null)")
        .await;
    ann.type_text("#name", "Ann\n").await;
    ann.until_status("open").await;
    post_many(&ann, 0..60).await;
    until_says(&ann, "messages", "59").await;

    // A server that hangs, is late, and then counts as dead.
    server.signal(Signal::STOP);
    until_says(&ann, "status", "已连接，但服务器没有动静").await;
    until_says(&ann, "status", "本该每 2 秒收到一次").await;
    the_page_is_all_chinese(&ann).await;
    until_says(&ann, "status", "服务器太久没有动静。").await;
    say(&ann, "等一等").await;
    until_says(&ann, "waiting", "有 1 条消息在等服务器。").await;
    the_page_is_all_chinese(&ann).await;
    server.signal(Signal::CONT);
    ann.until_status("open").await;
    ann.until("!document.querySelector('[data-pending]')").await;

    // A message that is refused for now, and one that is refused for good.
    choose_transport(&ann, "long-poll").await;
    until_transport(&ann, "long-poll").await;
    respond_to(&ann, "POST", "/messages", 500, "").await;
    say(&ann, "再发一次").await;
    until_says(&ann, "waiting", "有 1 条消息等着重新发送。服务器出错了。").await;
    the_page_is_all_chinese(&ann).await;
    respond_to(&ann, "POST", "/messages", 413, "").await;
    until_says(&ann, "error", "内容太长").await;
    the_page_is_all_chinese(&ann).await;
    ann.evaluate("(window.fetch = realFetch, null)").await;
    ann.evaluate("(document.getElementById('text').value = '', null)")
        .await;

    // No server.
    let port = server.address().port();
    kill(server);
    ann.until_status("closed").await;
    until_says(&ann, "status", "未连接。连不上服务器。服务器在运行吗？").await;
    until_says(&ann, "status", "秒后重试").await;
    for text in ["一", "二"] {
        say(&ann, text).await;
    }
    until_says(&ann, "waiting", "有 2 条消息在等服务器。").await;
    ann.until("document.getElementById('retry').checkVisibility()")
        .await;
    the_page_is_all_chinese(&ann).await;
    ann.evaluate("(document.querySelectorAll('#messages [data-pending] summary').forEach((summary) => summary.click()), null)")
        .await;
    ann.until("!document.querySelector('#messages [data-pending] dl:empty')")
        .await;
    the_page_is_all_chinese(&ann).await;
    ann.is_accessible("without a server, in Chinese").await;

    // Another server, which does not know the user.
    let _server = Server::start_on(port, BINARY, &IN_MEMORY);
    until_says(&ann, "error", "服务器不认识你了").await;
    until_says(&ann, "error", "请重新选一个名字。").await;
    the_page_is_all_chinese(&ann).await;
    assert_eq!(browser.console_errors().await, [""; 0]);
}
