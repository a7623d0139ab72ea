import csv, os, requests
API = "https://insiders-trades.com"
KEY = os.environ["INSIDERS_API_KEY"]
def fetch_all(slug):
    items, offset = [], 0
    while True:
        r = requests.get(
            f"{API}/api/v1/companies/{slug}/declarations",
            params={"limit": 100, "offset": offset},
            headers={"Authorization": f"Bearer {KEY}"},
        )
        r.raise_for_status()
        page = r.json()
        items.extend(page["items"])
        if offset + 100 >= page["total"]:
            break
        offset += 100
    return items
with open("bouygues_declarations.csv", "w", newline="") as f:
    rows = fetch_all("bouygues-1454")
    w = csv.writer(f)
    w.writerow(["pubDate", "insider", "role", "nature",
                "isin", "unitPrice", "volume", "amount", "score"])
    for d in rows:
        w.writerow([
            d["pubDate"],
            d["insider"]["name"],
            d["insider"]["function"],
            d["transaction"]["nature"],
            d["transaction"]["isin"],
            d["transaction"]["unitPrice"],
            d["transaction"]["volume"],
            d["transaction"]["totalAmount"],
            d["signal"]["score"],
        ])
    print(f"Wrote {len(rows)} rows")
