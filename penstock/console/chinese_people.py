"""The phrases about customers, plans and partners in Chinese."""

from __future__ import annotations

PEOPLE = {
    "Archive it although this stays open": "仍有未结款项也要归档",
    "Archive": "归档",
    "Archived customers buy no more; what they used is still billed.": "已归档客户不能再购买；已产生的用量照常计费。",
    "Archived ones too": "包括已归档",
    "Archived: its keys are revoked; what it used is billed when its month is closed.": (
        "已归档：密钥已吊销，已产生的用量在月结时计费。"
    ),
    "Archive…": "归档…",
    "Change of plan": "变更套餐",
    "Changed. Issued invoices keep what they say.": "已修改。已开具的账单保持原样。",
    "Due, net of tax": "应收（不含税）",
    "End it": "结束套餐",
    "Included units hold until {day}; then use is charged at the products' prices.": (
        "套餐内用量有效至 {day}，此后按产品单价计费。"
    ),
    "Issued invoices keep what they say.": "已开具的账单保持原样。",
    "It holds at once: its fee and included units are those of all of {month}.": (
        "立即生效：{month} 整月按新套餐收费并含其用量。"
    ),
    "It holds from {day} on; until then the plan before and its included units hold.": (
        "自 {day} 起生效；此前仍按原套餐及其所含用量。"
    ),
    "Move it to the newer terms": "改用新条款",
    "Moved: the new terms hold for customers that it brings from now on.": "已改用新条款：仅适用于今后带来的客户。",
    "Newer terms are out": "协议已有新版",
    "Particulars": "基本资料",
    "Start it": "开始套餐",
    "Take it back": "取消归档",
    "Taken back. Its keys stay revoked and its plan ended.": "已取消归档。密钥仍为吊销，套餐仍为结束。",
    "The customer is on this plan already: nothing changes.": "客户已在此套餐，无需变更。",
    "The plan before began today and nothing was used since: it costs nothing.": (
        "原套餐今日才开始且未产生用量，不收费。"
    ),
    "Though it reads like one that exists, it is another one": "虽与已有的相似，但确是另一个",
    "Use is charged at the products' prices.": "用量按产品单价计费。",
    "What it used is billed when its month is closed.": "已产生的用量在月结时计费。",
    "What it would do…": "查看影响…",
    "Yes, archive it": "确认归档",
    "archived since {day}": "自 {day} 起归档",
    "archived": "已归档",
    "due": "应收",
    "no plan": "无套餐",
    "nothing": "无",
    "the plan ends": "套餐结束",
    "{count} customers it brought before keep the terms they came under.": "此前带来的 {count} 位客户保持原条款。",
    "{count} keys end at once": "{count} 个密钥立即失效",
    "{share} instead of {before}, payable after {days} days, for customers that it brings from now on.": (
        "今后带来的客户分成由 {before} 改为 {share}，{days} 天后可支付。"
    ),
    "Decide": "去处理",
    "Decided.": "已处理。",
    "Decide on {name}…": "处理 {name}…",
    "Held for review": "待审核",
    "Held for review: nothing it earns is paid out.": "待审核：其佣金暂不支付。",
    "It is honest: clear it": "属实，放行",
    "Reject: take its commissions back": "拒绝，收回佣金",
    "Signs that a partner brought itself. While one is held, nothing it earns is paid out.": (
        "疑似伙伴自我推荐。待审核期间，其佣金不予支付。"
    ),
    "cleared": "已放行",
    "rejected": "已拒绝",
    "in review": "审核中",
    "same mailbox": "同一邮箱",
    "same company domain": "同一公司域名",
    "same tax number": "同一税号",
    "{amount} held for review": "{amount} 待审核",
    "{count} customers look as if their partner brought itself: clear or reject them": (
        "{count} 位客户疑似伙伴自我推荐：请放行或拒绝"
    ),
    "{amount} is held for review below.": "{amount} 待审核，见下。",
}
