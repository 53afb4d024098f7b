/* What a parcel of so many grams costs, in cents. */
int shipping_cents(int grams);
