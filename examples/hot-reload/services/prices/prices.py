PRICES = {"Assam": 4.20, "Darjeeling": 6.90, "Rooibos": 3.10, "Sencha": 5.50}


def cheapest():
    tea = min(PRICES, key=PRICES.get)
    return f"{tea} from {PRICES[tea]:.2f} € for 100 g"
