use super::*;
use crate::store::Page;

/// The names on a page, and whether another follows.
fn names(page: &Page<File, Seq>) -> (Vec<&str>, bool) {
    let names = page.items.iter().map(|file| file.entry.name.as_str());
    (names.collect(), page.next.is_some())
}

#[tokio::test]
async fn names_are_searched_page_by_page() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    for name in ["Äpfel 1.docx", "b.docx", "äpfel 2.docx", "c.docx"] {
        world.upload(&op, name, b"x").await.unwrap();
    }
    let search = |text, before, limit| world.consign.search(&op, text, before, limit);
    let page = search("ÄPFEL", None, 10).await.unwrap();
    assert_eq!(names(&page), (vec!["äpfel 2.docx", "Äpfel 1.docx"], false));
    let page = search("äpfel", None, 1).await.unwrap();
    assert_eq!(names(&page), (vec!["äpfel 2.docx"], true));
    let page = search("äpfel", page.next, 1).await.unwrap();
    assert_eq!(names(&page), (vec!["Äpfel 1.docx"], false));
    // No item is left out where a page has room for none.
    assert_eq!(search("b", None, 0).await.unwrap().items.len(), 1);
    assert_eq!(
        names(&search("d.docx", None, 9).await.unwrap()),
        (vec![], false)
    );
}

#[tokio::test]
async fn so_many_files_are_looked_at_for_one_page() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    world.upload(&op, "first.docx", b"x").await.unwrap();
    for _ in 0..20 {
        world.upload(&op, "x.docx", b"x").await.unwrap();
    }
    let search = |before| world.consign.search_by(2, &op, "first", before, 10);
    let page = search(None).await.unwrap();
    assert_eq!(names(&page), (vec![], true), "twenty others are newer");
    let page = search(page.next).await.unwrap();
    assert_eq!(names(&page), (vec!["first.docx"], false));
}
