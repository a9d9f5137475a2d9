use serde_json::{Value, json};

use super::{
    Bounds,
    call::{Call, OPERATIONS},
};
use crate::{
    groups::{Groups, Members, NewMember, OneGroup, OneMember, Wanted},
    json::Done,
};

pub(super) fn calls(_: &Bounds<'_>) -> Vec<Call> {
    let named = json!({
        "required": ["name"],
        "properties": {"name": {"type": "string", "minLength": 1}},
    });
    let changed = json!({"anyOf": [named, {"required": ["retention_days"]}]});
    let example = json!({
        "id": "5f2c4f0e9a1b4c7d8e6f3a2b1c0d9e8f", "name": "Müller & Co.",
        "created_at": "2026-11-22T14:55:03Z", "retention_days": null,
    });
    let one = |msg| json!({"msg": msg, "group": example});
    let member = json!({
        "id": "c0de4f0e9a1b4c7d8e6f3a2b1c0d9e8f", "username": "carl", "email": "carl@example.org",
        "status": "active",
    });
    vec![
        Call::new("GET", "/groups", "listGroups", "List the groups")
            .describe("In the order of their names.")
            .by(OPERATIONS)
            .paged(json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{2,}$"}))
            .gives::<Groups<'_>>(200, "A page.", json!({"groups": [example], "next": null})),
        Call::new("POST", "/groups", "addGroup", "Add a group")
            .by(OPERATIONS)
            .once_for_what_it_asks()
            .takes::<Wanted>(named, json!({"name": "Müller & Co."}))
            .says::<OneGroup<'_>>(201, "The group.", one("Group created"))
            .leads(201, "getGroup", "group", "/group/id")
            .leads(201, "changeGroup", "group", "/group/id")
            .leads(201, "removeGroup", "group", "/group/id")
            .leads(201, "listMembers", "group", "/group/id")
            .leads(201, "addMember", "group", "/group/id")
            .refuses(
                400,
                "Missing required parameters: name is required.",
                "absent, null or empty",
            )
            .refuses(400, "Invalid group name", "")
            .refuses(
                400,
                "Invalid retention",
                "not a whole number of days from 1 to 36500",
            )
            .refuses(
                404,
                "Group not found",
                "it was made by this Idempotency-Key, and is gone since",
            )
            .refuses(
                409,
                "Group name already exists",
                "upper and lower case differ",
            ),
        Call::new("GET", "/groups/{group}", "getGroup", "Show a group")
            .by(OPERATIONS)
            .gives::<OneGroup<'_>>(200, "The group.", json!({"group": example}))
            .refuses(404, "Group not found", ""),
        Call::new(
            "PATCH",
            "/groups/{group}",
            "changeGroup",
            "Rename a group, or change how long its files are there",
        )
        .describe("What is over by a shorter retention goes within a minute.")
        .by(OPERATIONS)
        .takes::<Wanted>(changed, json!({"retention_days": 30}))
        .says::<OneGroup<'_>>(200, "The group.", one("Group updated"))
        .refuses(
            400,
            "Missing required parameters: name or retention_days is required.",
            "",
        )
        .refuses(400, "Invalid group name", "")
        .refuses(
            400,
            "Invalid retention",
            "not a whole number of days from 1 to 36500",
        )
        .refuses(404, "Group not found", "")
        .refuses(
            409,
            "Group name already exists",
            "upper and lower case differ",
        ),
        Call::new("DELETE", "/groups/{group}", "removeGroup", "Remove a group")
            .describe(
                "From the next request on, what was for the group is not for those who were in it.",
            )
            .by(OPERATIONS)
            .says::<OneGroup<'_>>(200, "The group that was.", one("Group removed"))
            .refuses(404, "Group not found", ""),
        Call::new(
            "GET",
            "/groups/{group}/members",
            "listMembers",
            "List who is in a group",
        )
        .describe("In the order of their ids.")
        .by(OPERATIONS)
        .paged(json!({"$ref": "#/components/schemas/Id"}))
        .gives::<Members<'_>>(200, "A page.", json!({"members": [member], "next": null}))
        .refuses(404, "Group not found", ""),
        Call::new(
            "POST",
            "/groups/{group}/members",
            "addMember",
            "Take a client into a group",
        )
        .by(OPERATIONS)
        .takes::<NewMember>(Value::Null, json!({"username": "carl"}))
        .says::<OneMember<'_>>(
            201,
            "The client is in it, also where they were before.",
            json!({"msg": "Member added", "member": member}),
        )
        .refuses(
            400,
            "Missing required parameters: username is required.",
            "absent, null or empty",
        )
        .refuses(404, "Group not found", "")
        .refuses(404, "User not found", "there is no client of this name")
        .refuses(409, "The user is in too many groups", "1,000"),
        Call::new(
            "DELETE",
            "/groups/{group}/members/{user}",
            "removeMember",
            "Take a client out of a group",
        )
        .describe("From the next request on, what is for the group is not for them.")
        .by(OPERATIONS)
        .says::<Done>(200, "They are not in it.", json!({"msg": "Member removed"}))
        .refuses(404, "Group not found", "")
        .refuses(404, "User not found", "they are not in it"),
    ]
}
