"""The console's phrases in Chinese, of work in progress, the playground, feedback, opinion, prices and applying."""

from __future__ import annotations

CHINESE_WORK = {
    "Actions": "操作",
    "Table": "表格",
    "Refresh": "刷新",
    "Load it again": "重新加载",
    "This page has changed meanwhile.": "此页面内容已有变化。",
    "Progress of {stage}": "{stage} 的进度",
    "about {time} left": "约剩 {time}",
    "begun {time}": "始于 {time}",
    "since {time}": "自 {time}",
    "waiting for its first step": "等待第一步",
    "{count} s": "{count} 秒",
    "{count} min": "{count} 分钟",
    "{count} h": "{count} 小时",
    "clean": "清洗",
    "cleaning": "清洗数据",
    "evaluate": "评估",
    "backbone": "加载主干模型",
    "export": "导出",
    "embed": "计算向量",
    "words": "学习词汇",
    "tokens": "分词",
    "fitting": "拟合",
    "calibrate": "校准",
    "indexing": "建立索引",
    "images": "读取图片",
    "closing": "结账",
    "Playground": "试用",
    "Try any candidate or release by hand. Nothing is recorded, metered or billed.": (
        "手动试用任一候选模型或发布。不记录、不计量、不收费。"
    ),
    "There is no model to try yet. Train a product first: every candidate can be tried here, before anything is released.": (  # noqa: E501
        "还没有可试用的模型。请先训练一个产品：每个候选模型在发布之前都可在此试用。"
    ),
    "Model": "模型",
    "Choose": "选择",
    "Input": "输入",
    "Input, in JSON": "输入（JSON）",
    "Text": "文本",
    "Question": "问题",
    "Language of the question, blank for any": "问题的语言，留空表示不限",
    "Image: PNG, JPEG or WebP": "图片：PNG、JPEG 或 WebP",
    "User": "用户",
    "Or items that are known, separated by commas, the latest last": "或已知物品，用逗号分隔，最近的放最后",
    "Leave both blank for what is popular with everybody.": "两项都留空则给出大众热门。",
    "Explain: show the words that decided": "解释：显示起决定作用的词",
    "Try it": "试一试",
    "Answer": "回答",
    "As the interface returns it": "接口返回的原文",
    "Fill in the form: the answer stands here, with its scores and how long it took.": (
        "填写表单后，回答连同得分与耗时显示在这里。"
    ),
    "It does not know: a person answers.": "它不知道：转由人工回答。",
    "not_sure": "把握不足",
    "No label fits.": "没有合适的标签。",
    "no label": "无标签",
    "Given from these scores on:": "达到以下得分才会给出：",
    "Unsure: a person answers.": "没有把握：转由人工回答。",
    "expired_entry": "条目已过期",
    "nothing_known": "没有相关条目",
    "score {score}, needed {threshold}": "得分 {score}，需达到 {threshold}",
    "likeliest: {label}, {share}": "最可能：{label}，{share}",
    "loaded in {ms} ms": "加载用时 {ms} 毫秒",
    "{ms} ms": "{ms} 毫秒",
    "candidate {number}": "候选 {number}",
    "because of {item}": "因为 {item}",
    "Named:": "提到：",
    "No watched name is in it.": "其中没有所监测的名称。",
    "What decided": "判断依据",
    "Words": "词",
    "They spoke": "作用",
    "Weight": "权重",
    "for it": "支持",
    "against it": "反对",
    "The charts are being drawn; they will stand here in a moment.": "图表正在绘制，稍后显示在此。",
    "Keep as a file": "保存为文件",
    "Message": "消息",
    "Answer given": "给出的回答",
    "Accept": "接受",
    "Reject": "拒绝",
    "accept": "接受",
    "reject": "拒绝",
    "next, previous": "下一条、上一条",
    "Keys:": "快捷键：",
    "Reject all from this key…": "拒绝此密钥的全部…",
    "Yes, reject all of it that waits": "是，拒绝其全部待处理项",
    "Accepted: the next retraining learns from it.": "已接受：下次再训练将从中学习。",
    "Rejected: no retraining learns from it.": "已拒绝：不会用于再训练。",
    "All of them are rejected.": "已全部拒绝。",
    "waiting": "待处理",
    "accepted": "已接受",
    "rejected": "已拒绝",
    "no row": "未产生数据行",
    "noted": "仅记录",
    "replaced": "已被替换",
    "accepted, not yet trained on": "已接受，尚未用于训练",
    "trained on in version {number}": "已用于版本 {number} 的训练",
    "{count} waiting": "{count} 条待处理",
    "{count} accepted, not yet trained on": "{count} 条已接受、尚未用于训练",
    "{count} trained on": "{count} 条已用于训练",
    "{count} rejected": "{count} 条已拒绝",
    "Feedback of {time}": "{time} 的反馈",
    "The image that was sent": "所发送的图片",
    "Why": "原因",
    "None in this state.": "此状态下没有反馈。",
    "Show all": "显示全部",
    "No longer kept: the answer is over its days, and the customer does not consent to a copy.": (
        "已不再保存：回答已过保存期，且客户未同意留存副本。"
    ),
    "The data of {product} have no label {label}. Accept it to make it a new label with the next retraining; reject it if it is a slip.": (  # noqa: E501
        "{product} 的数据中没有标签 {label}。接受即在下次再训练时成为新标签；若是笔误请拒绝。"
    ),
    "No feedback yet. Customers send a rating or a correction with the id of an answer to POST /v1/feedback. What you accept here, the next retraining learns from.": (  # noqa: E501
        "还没有反馈。客户可用回答的 ID 向 POST /v1/feedback 发送评分或更正；您在此接受的内容会用于下次再训练。"
    ),
    "Opinion": "舆情",
    "Changes in what is written about the names you watch, and each month in figures": (
        "所监测名称的舆论变化，以及每月数据"
    ),
    "All alerts": "全部警报",
    "Only open alerts": "只看未确认的警报",
    "Alerts": "警报",
    "No product watches opinions yet": "还没有产品监测舆情",
    "A product of the task opinion-monitoring reads dated documents, counts who is named and in which tone, and raises an alert when that changes.": (  # noqa: E501
        "opinion-monitoring 任务的产品读取带日期的文档，统计提到了谁、语气如何，并在发生变化时发出警报。"
    ),
    "Begin with an example:": "从示例开始：",
    "No alerts. Documents come through the gateway as any customer's requests, or by a feed:": (
        "没有警报。文档可像客户请求一样经网关送入，也可来自订阅源："
    ),
    "Report": "报告",
    "This month": "本月",
    "not live": "未上线",
    "What changed": "变化",
    "Seen": "实际",
    "Expected": "预期",
    "volume": "提及量",
    "negative": "负面",
    "positive": "正面",
    "not seen yet": "未确认",
    "acknowledged": "已确认",
    "resolved": "已结束",
    "muted": "已静音",
    "I have seen it": "我已知悉",
    "It is over": "已结束",
    "Noted: it is not sent again.": "已记录：不会再次发送。",
    "The alert is over.": "警报已结束。",
    "{count} documents that caused it": "引发警报的 {count} 篇文档",
    "Train and release it first: its report counts what its live release read.": (
        "请先训练并发布：报告统计的是线上发布所读取的文档。"
    ),
    "To the product": "前往产品",
    "No document of this month named anybody that is watched.": "本月没有文档提到所监测的名称。",
    "At a glance": "概览",
    "Mentions by day": "每日提及数",
    "Mentions by day; the table below has the numbers": "每日提及数；数字见下表",
    "Tone": "语气",
    "Tone by name; the table below has the numbers": "各名称的语气；数字见下表",
    "What was out of the ordinary": "异常情况",
    "In their words": "原文摘录",
    "Prices": "价格",
    "Everything that is or was for sale. Versions never change: what was sold stays as it was.": (
        "现在与过去出售的全部内容。版本从不更改：已售出的保持原样。"
    ),
    "Publish what penstock.toml says…": "发布 penstock.toml 的内容…",
    "Without a price, and so not for sale:": "没有价格，因而不可出售：",
    "Publish it": "发布",
    "Publish": "发布",
    "Published.": "已发布。",
    "a new price holds from the next month on": "新价格自下月起生效",
    "a new version is for new subscribers": "新版本适用于新订阅者",
    "a new version is for new partners": "新版本适用于新伙伴",
    "Plans": "套餐",
    "Partner agreements": "伙伴协议",
    "Includes each month": "每月包含",
    "A month": "每月",
    "Held, days": "冻结天数",
    "Holds from": "生效自",
    "in force": "生效中",
    "to come": "即将生效",
    "Nothing is for sale yet. Write a price under [products.NAME.price] in penstock.toml, then publish it.": (
        "还没有出售任何内容。请在 penstock.toml 的 [products.NAME.price] 下写明价格，然后发布。"
    ),
    "No plans. A plan is a monthly fee that includes units: write [plans.NAME] in penstock.toml.": (
        "没有套餐。套餐是包含一定用量的月费：请在 penstock.toml 中写 [plans.NAME]。"
    ),
    "No agreements. Partners bring customers for a share of what those pay: write [agreements.NAME] in penstock.toml.": (  # noqa: E501
        "没有协议。伙伴带来客户并分得其付款的一部分：请在 penstock.toml 中写 [agreements.NAME]。"
    ),
    "Apply": "应用",
    "What penstock.toml says and is not published yet. Nothing that was sold changes.": (
        "penstock.toml 中尚未发布的内容。已售出的不会改变。"
    ),
    "The file cannot be applied as it is": "该文件目前无法应用",
    "Look again": "再看一次",
    "Everything that penstock.toml says is published. Edit the file, then look here again: prices, plans and agreements become new versions, each with the day from which it holds.": (  # noqa: E501
        "penstock.toml 的内容已全部发布。修改文件后再看这里：价格、套餐与协议会成为新版本，各自注明生效日期。"
    ),
    "To the prices": "前往价格",
    "What would be published": "将会发布",
    "Differences": "差异",
    "from what was applied last": "与上次应用相比",
    "What it is": "内容",
    "added": "新增",
    "changed": "更改",
    "removed": "移除",
    "Products were added or removed, or settings of the gateway changed: start penstock up again afterwards, so that the gateway sees it.": (  # noqa: E501
        "产品有增减或网关设置有变化：之后请重新启动 penstock up，网关才会生效。"
    ),
    "I have read what it would do": "我已阅读将要执行的内容",
    "Why nothing can be paid out now": "为何目前没有可付款项",
    "{amount} is held: a commission may be paid out {days} days after the customer paid, in case the payment is refunded.": (  # noqa: E501
        "{amount} 在冻结期内：佣金在客户付款 {days} 天后方可支付，以防退款。"
    ),
    "The first of it becomes payable on {day}.": "最早的一笔于 {day} 可付。",
    "This partner has brought no customer yet. Give it its code: a new customer names it when it signs up, or you enter it when you add one.": (  # noqa: E501
        "该伙伴尚未带来客户。请把推荐码交给它：新客户注册时填写，或由您在添加客户时填写。"
    ),
    "Its customers have paid no invoice yet. A commission is earned when a customer pays: close the month, then record the payment on the invoice.": (  # noqa: E501
        "其客户尚未支付账单。客户付款时才产生佣金：请先月度结账，再在账单上登记付款。"
    ),
    "To the invoices": "前往账单",
    "Everything it earned was paid out.": "其所得已全部支付。",
    "Nothing moved in {month}. There are movements in:": "{month} 没有变动。有变动的月份：",
}
