"""Phrases about exporting and erasing a customer's data, in Chinese."""

from __future__ import annotations

ERASING = {
    "All that belongs to it as one file; or erased, but for what the law wants kept.": (
        "可将其全部数据导出为一个文件，或予以清除（法律要求保留的除外）。"
    ),
    "Although credit is left: it stays in the books": "仍有余额也要清除：余额留在账上",
    "Calendar years that the law keeps books for": "法律要求保存账簿的年数（按自然年）",
    "Candidates": "候选模型",
    "Erase": "清除",
    "Erase it": "清除",
    "Erase it for good": "永久清除",
    "Erase {name}": "清除 {name} 的数据",
    "Erased on {day}.": "已于 {day} 清除。",
    "Erased. What stays, and why, is recorded here.": "已清除。保留的内容及原因记录于此。",
    "Erase…": "清除…",
    "Export": "导出",
    "It cannot be erased yet. Settle this first:": "暂时不能清除，请先结清：",
    "It was begun on {day} and is not finished: send the form again to go on.": (
        "清除已于 {day} 开始但尚未完成：再次提交表单即可继续。"
    ),
    "Its answers, words and name go. Invoices and books stay, and a record says what was kept and why. It cannot be "
    "taken back.": "其回答、文字内容和名称将被清除；账单与账簿保留，并记录保留了什么、为何保留。此操作不可撤销。",
    "Its data": "客户数据",
    "Learned from an erased customer": "曾用已清除客户的数据训练",
    "Models that learned from it": "用其数据训练过的模型",
    "Record of the erasure": "清除记录",
    "Rows": "行数",
    "Type the customer's name to confirm": "请输入客户名称以确认",
    "What goes": "将清除的内容",
    "What stays": "保留的内容",
    "What stays, why and until when": "保留的内容、原因与期限",
    "What went": "已清除的内容",
    "Which": "内容",
    "Why, for the record: who asked, on which day": "原因（存档）：谁、于何日提出",
    "answers still kept, with their inputs": "仍保存的回答及其输入",
    "comments, corrections, inputs and answers in feedback; ratings stay": "反馈中的评论、更正、输入与回答；评分保留",
    "whom clicks and purchases named": "点击与购买所涉及的用户",
    "questions that had no good answer": "未得到满意回答的问题",
    "documents of opinion monitoring, with mentions, alerts and mutes": "舆情监测的文档及其提及、警报与静音设置",
    "name, e-mail address, address and tax id on the customer's record: a pseudonym stands there": (
        "客户资料中的名称、邮箱、地址与税号：以化名代替"
    ),
    "entries of the audit log, of which these and reasons given about its words go; who did what and when stays": (
        "审计日志中含有上述资料或对其文字所注原因的记录：内容清空，何人何时做了什么仍保留"
    ),
    "invoices": "账单",
    "credit notes": "贷项通知单",
    "payments": "付款",
    "refunds": "退款",
    "postings": "账簿分录",
    "consents": "训练授权",
    "attribution": "客户归属",
    "keys": "密钥",
    "audit": "审计日志",
    "issued invoices are tax records: they keep whom they were issued to": "已开具的账单是税务凭证，须保留开具对象",
    "they belong to the invoices": "属于账单的一部分",
    "books of account": "会计账簿",
    "books of account: the ledger is append-only": "会计账簿：总账只增不改",
    "what invoices are reckoned from: counts and times, no content": "账单的计算依据：只有数量与时间，不含内容",
    "the proof of what training was allowed when": "何时授权训练的证明",
    "what a partner's commission rests on": "伙伴佣金的依据",
    "ids and names, which usage names; all of them revoked": "用量所引用的密钥 ID 与名称；均已吊销",
    "who changed what, and when: append-only evidence; what was personal in it goes": (
        "何人何时更改了什么：只增不改的证据；其中的个人信息清空"
    ),
    "a model keeps what it learned: delete the rows of data files that name the customer, then `penstock retrain` each "
    "product and release what comes of it; versions, candidates and releases made before stay, as the record of what "
    "was served": (
        "模型会保留学到的内容：请删除数据文件中涉及该客户的行，再对每个产品运行 `penstock retrain` 并发布新模型；"
        "此前的数据版本、候选模型与发布记录保留，作为曾提供服务的记录"
    ),
}

ERASING_ERRORS = {
    "this is not the customer's name": "这不是该客户的名称",
    "type it as it stands at the top": "请按页面上方所示输入",
    "it cannot be erased yet: {found}": "暂时不能清除：{found}",
    "archive it, close the month of its last use, and settle what is open; credit may stay in the books: "
    '--leave-credit, or "leave_credit": true': (
        "请先归档、关闭其最后使用的月份并结清未结款项；余额可留在账上（勾选相应选项）"
    ),
    "not invoiced yet: {amount}": "尚未开账单：{amount}",
    "credit: {amount}": "余额：{amount}",
    "{years} years are no time to keep books": "{years} 年不是有效的保存年限",
    "0 to 100": "0 至 100",
}
