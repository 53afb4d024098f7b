#include "rates.h"

int shipping_cents(int grams) {
  int cents = 390;
  if (grams > 500)
    cents += 200;
  return cents;
}
